"""Show in the studio's form what a template fixes: with its value, and not to be changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app.admin.pages import parameter_fields
from imagegen_app.services.job_requests import fixed_guides, fixed_values
from imagegen_app.services.library import delivery
from imagegen_app.services.policy import use_of_assets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django import forms

    from imagegen_app.core.actors import Person
    from imagegen_app.core.types import ControlGuide
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


@dataclass(frozen=True, slots=True)
class ShownGuide:
    """A control image that the template fixes, as the studio shows it."""

    label: str
    #: How it guides, in words.
    settings: str
    #: A signed address; empty for whoever may not see the image.
    preview: str
    alt_text: str
    #: Why it cannot be used; empty if it can.
    reason: str


def guides_of(version: TemplateVersion | None, actor: Person) -> list[ShownGuide]:
    """Return the control images of a template; pictures only of what the person may use."""
    stated = list(fixed_guides.stated_guides(fixed_guides.fixed_guides(version)))
    keys = [one.fixed.asset_id for one in stated]
    usable = use_of_assets.usable_assets(actor).in_bulk(keys) if keys else {}
    return [
        ShownGuide(
            label=_("Guide %(number)s") % {"number": one.number},
            settings=guide_settings(one.fixed.guide),
            preview=""
            if (asset := usable.get(one.fixed.asset_id)) is None
            else delivery.preview_url(asset),
            alt_text="" if asset is None else asset.alt_text,
            reason=one.reason,
        )
        for one in stated
    ]


def guide_settings(guide: ControlGuide) -> str:
    """Return in words how a control image guides."""
    values = {
        "kind": guide.kind.replace("_", " ") or _("the model's usual kind"),
        "weight": f"{guide.weight:g}",
        "start": f"{guide.start:g}",
        "end": f"{guide.end:g}",
    }
    return _("%(kind)s, weight %(weight)s, from %(start)s to %(end)s") % values


def _values(version: TemplateVersion | None) -> Iterator[tuple[str, Any]]:
    if version is None:
        return
    for name, value in version.parameters.items():
        yield parameter_fields.PREFIX + name, parameter_fields.as_initial(value)
    for number, lora in enumerate(fixed_values.fixed_loras(version)):
        yield f"lora_{number}", lora.name
        yield f"lora_{number}_weight", lora.weight
