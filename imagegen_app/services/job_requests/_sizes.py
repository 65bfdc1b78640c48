"""Decide the size of the images that are requested."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.core.capabilities import ratio_value
from imagegen_app.core.fitted_sizes import size_like, size_with_ratio
from imagegen_app.core.types import InputRole, Operation, Size
from imagegen_app.services.job_requests.values import SIZE_OF_SOURCE, InvalidJobRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.core.capabilities import SizeRule
    from imagegen_app.core.types import ImageInput
    from imagegen_app.models import TemplateVersion
    from imagegen_app.services.job_requests.values import InputSource

_SQUARE = Size(1024, 1024)
_KEEPS_PROPORTIONS = frozenset(Operation) - {
    Operation.GENERATE,
    Operation.OUTPAINT,
    Operation.UPSCALE,
    Operation.REMOVE_BACKGROUND,
    Operation.CONTROL,
}


def resolve_size(
    size: str | Size | None,
    *,
    version: TemplateVersion | None,
    operation: Operation,
    pictures: Sequence[tuple[InputSource, ImageInput]],
    rule: SizeRule,
) -> Size:
    """Return the size that is asked for, else the one that the template states, else a default.

    Proportions such as `16:9` become the size that the model has for them. An edit without any size,
    and `SIZE_OF_SOURCE`, keep the proportions of the first picture.

    :raises InvalidJobRequest: if the text is no size, the model does not have these proportions or
        takes no size at all, or there is no picture to take the size from.
    """
    if isinstance(size, Size):
        return size
    if size == SIZE_OF_SOURCE and all(s.role is InputRole.MASK for s, _sent in pictures):
        raise InvalidJobRequest(
            _("There is no source image whose size could be kept."),
            field="size",
            remedy=_("Choose a size, or a source image."),
        )
    stated = None if version is None else version.size
    is_default = not size and stated is None and operation in _KEEPS_PROPORTIONS
    if is_default or size == SIZE_OF_SOURCE:
        for source, sent in pictures:
            if source.role is not InputRole.MASK:
                # What is sent may have been made smaller.
                shown = source.asset or sent
                return size_like(Size(shown.width, shown.height), rule)
    if size and size != SIZE_OF_SOURCE:
        found = _of_ratio(size, rule) if ":" in size else _of_pixels(size)
        if not rule.is_choosable and found not in _shown_sizes(pictures):
            raise InvalidJobRequest(
                _("This model takes no size for this operation: it decides it itself."),
                field="size",
                remedy=_("Leave the size out, or choose another model."),
            )
        return found
    return template_size(stated, rule)


def template_size(stated: Size | None, rule: SizeRule) -> Size:
    """Return the size that a template states, or else a square as the model has it.

    :raises InvalidJobRequest: if it states one, and the model takes no size at all.
    """
    if stated is None:
        return size_with_ratio(1.0, rule) or size_like(_SQUARE, rule)
    if not rule.is_choosable:
        raise InvalidJobRequest(
            _("The template states a size, and this model takes none: it decides it itself."),
            field="size",
            remedy=_("Leave the size out of the template, or choose another model."),
        )
    return stated


def _shown_sizes(pictures: Sequence[tuple[InputSource, ImageInput]]) -> list[Size]:
    """Return the sizes of the pictures that are handed in, as people see them."""
    shown = [source.asset or sent for source, sent in pictures]
    return [Size(one.width, one.height) for one in shown]


def _of_pixels(size: str) -> Size:
    try:
        return Size.parse(size)
    except ValueError:
        raise _not_a_size(size) from None


def _of_ratio(text: str, rule: SizeRule) -> Size:
    try:
        ratio = ratio_value(text)
    except ValueError:
        raise _not_a_size(text) from None
    if not rule.is_choosable:
        raise InvalidJobRequest(
            _("This model takes no proportions for this operation: it decides them itself."),
            field="size",
            remedy=_("Leave the size out, or choose another model."),
        )
    found = size_with_ratio(ratio, rule)
    if found is None:
        raise InvalidJobRequest(
            _("This model has no size of the proportions %(ratio)s.") % {"ratio": text[:20]},
            field="size",
            remedy=_("Choose other proportions, or another model."),
        )
    return found


def _not_a_size(size: str) -> InvalidJobRequest:
    return InvalidJobRequest(
        _("“%(size)s” is not a valid size.") % {"size": size[:20]},
        field="size",
        remedy=_("Write it as 1024x768, or as proportions such as 16:9."),
    )
