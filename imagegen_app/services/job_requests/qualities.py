"""Translate a quality tier to the model's own word, or to a resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.core.quality_tiers import QualityTier, quality_word, tier_size
from imagegen_app.core.types import Operation
from imagegen_app.services.job_requests._sizes import resolve_size, template_size
from imagegen_app.services.job_requests.model_options import require_capabilities
from imagegen_app.services.job_requests.values import InvalidJobRequest

if TYPE_CHECKING:
    from imagegen_app.core.capabilities import Capabilities
    from imagegen_app.core.shots import Shot
    from imagegen_app.core.types import Size
    from imagegen_app.models import ImageModel, TemplateVersion


def resolve_quality(
    quality: str,
    *,
    size: Size,
    is_size_in_pixels: bool,
    operation: Operation,
    capabilities: Capabilities,
) -> tuple[str, Size]:
    """Return the model's own word for a quality, and the size of the image.

    A word of the model's own stays as it is. `draft`, `standard` and `high` become its word for the
    tier, or the resolution where it is told that instead. What the model does not have is returned
    as it came, and refused with all else that is not supported.

    :raises InvalidJobRequest: if the tier is a resolution, and another one is given in pixels.
    """
    if quality in capabilities.qualities or quality not in set(QualityTier):
        return quality, size
    tier = QualityTier(quality)
    if word := quality_word(tier, capabilities.qualities):
        return word, size
    found = tier_size(tier, size, capabilities.sizes_for(operation))
    if capabilities.qualities or found is None:
        return quality, size
    if is_size_in_pixels and found != size:
        raise InvalidJobRequest(
            _("The quality of this model is its resolution, and the size is given in pixels."),
            field="quality",
            remedy=_("Give proportions such as 16:9, or leave the quality out."),
        )
    return "", found


def quality_of_template(
    version: TemplateVersion, image_model: ImageModel, *, shot: Shot | None = None
) -> tuple[str, Size]:
    """Return a model's own word for the quality of a template, and the size of the images.

    `shot` is one of the template's, which may have a size of its own.

    :raises InvalidJobRequest: if its adapter is unknown, what was corrected of it is wrong, or it takes
        no size and the template states one, or has none of these proportions.
    """
    operation = Operation(version.operation)
    offer = require_capabilities(image_model)
    rule = offer.sizes_for(operation)
    own = shot.size if shot is not None else ""
    return resolve_quality(
        version.quality,
        size=resolve_size(own, version=version, operation=operation, pictures=(), rule=rule)
        if own
        else template_size(version.size, rule),
        is_size_in_pixels="x" in own,
        operation=operation,
        capabilities=offer,
    )
