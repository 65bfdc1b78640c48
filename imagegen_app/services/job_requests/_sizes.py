"""Decide the size of the images that are requested."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.core.fitted_sizes import size_like
from imagegen_app.core.types import InputRole, Operation, Size
from imagegen_app.services.job_requests.values import SIZE_OF_SOURCE, InvalidJobRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.core.types import ImageInput, SizeRule
    from imagegen_app.models import TemplateVersion
    from imagegen_app.services.job_requests.values import InputSource

_KEEPS_PROPORTIONS = frozenset({Operation.EDIT, Operation.INPAINT, Operation.VARY})


def resolve_size(
    size: str | Size | None,
    *,
    version: TemplateVersion | None,
    operation: Operation,
    pictures: Sequence[tuple[InputSource, ImageInput]],
    rule: SizeRule | None,
) -> Size:
    """Return the size that is asked for, else the template's, else a default.

    An edit without a size, and `SIZE_OF_SOURCE`, keep the proportions of the first picture.

    :raises InvalidJobRequest: if the text is no size.
    """
    if isinstance(size, Size):
        return size
    is_default = not size and version is None and operation in _KEEPS_PROPORTIONS
    if rule is not None and (is_default or size == SIZE_OF_SOURCE):
        for source, sent in pictures:
            if source.role is not InputRole.MASK:
                # What is sent may have been made smaller.
                shown = source.asset or sent
                return size_like(Size(shown.width, shown.height), rule)
    if size and size != SIZE_OF_SOURCE:
        try:
            return Size.parse(size)
        except ValueError:
            raise InvalidJobRequest(
                _("“%(size)s” is not a valid size.") % {"size": size[:20]},
                field="size",
                remedy=_("Write it as 1024x768."),
            ) from None
    return Size(version.width, version.height) if version else Size(1024, 1024)
