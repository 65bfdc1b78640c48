"""Apply the parameters and LoRA that a template fixes: every job made of it has them, unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app.core.types import Lora
from imagegen_app.services.job_requests.values import InvalidJobRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.models import TemplateVersion


def with_fixed_parameters(
    version: TemplateVersion | None, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the given parameters with those of the template; they may be given, but not changed.

    :raises InvalidJobRequest: if another value is given for one that is fixed.
    """
    fixed = {} if version is None else dict(version.parameters)
    for name, value in given.items():
        if name in fixed and value != fixed[name]:
            raise _is_fixed(name.replace("_", " "), field=name)
    return {**given, **fixed}


def with_fixed_loras(version: TemplateVersion | None, given: Sequence[Lora]) -> tuple[Lora, ...]:
    """Return the LoRA of the template and then the others that are given.

    :raises InvalidJobRequest: if one of the template's is given with another weight.
    """
    fixed = fixed_loras(version)
    weights = {one.name: one.weight for one in fixed}
    for one in given:
        if weights.get(one.name, one.weight) != one.weight:
            raise _is_fixed(f"LoRA {one.name[:60]}", field="loras")
    return (*fixed, *(one for one in given if one.name not in weights))


def fixed_loras(version: TemplateVersion | None) -> tuple[Lora, ...]:
    """Return the LoRA of a template."""
    return () if version is None else tuple(Lora(**one) for one in version.loras)


def _is_fixed(part: str, *, field: str) -> InvalidJobRequest:
    return InvalidJobRequest(
        _("The template fixes this (%(part)s).") % {"part": part},
        field=field,
        remedy=_("Leave it out, or use another template."),
    )
