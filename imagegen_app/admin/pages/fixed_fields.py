"""Show in the studio's form what a template fixes: with its value, and not to be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app.admin.pages.parameter_fields import PREFIX, as_initial
from imagegen_app.services.job_requests.fixed_values import fixed_loras

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django import forms

    from imagegen_app.models import TemplateVersion


def fix(form: forms.Form, version: TemplateVersion | None) -> None:
    """Disable the fields of the parameters and LoRA that the template fixes, with its values."""
    for name, value in _values(version):
        field = form.fields.get(name)
        if field is None:
            continue
        field.disabled, field.initial = True, value
        field.help_text = f"{_('Fixed by the template.')} {field.help_text}".strip()
        # What an earlier job had, or a browser sent, does not count.
        form.initial.pop(name, None)


def _values(version: TemplateVersion | None) -> Iterator[tuple[str, Any]]:
    if version is None:
        return
    for name, value in version.parameters.items():
        yield PREFIX + name, as_initial(value)
    for number, lora in enumerate(fixed_loras(version)):
        yield f"lora_{number}", lora.name
        yield f"lora_{number}_weight", lora.weight
