"""Offer brand kits in forms, their colours for variables, and tell what a kit adds to a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from imagegen_app.core.variable_kinds import VariableKind
from imagegen_app.models import BrandKit
from imagegen_app.services.job_requests import brand_kits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.core.variables import Variable
    from imagegen_app.models import TemplateVersion
    from imagegen_app.services.job_requests.values import AppliedKit, JobRequest


class ColourInput(forms.TextInput):
    """A text that any colour can be written in, and that offers those of a palette."""

    template_name = "imagegen_app/admin/widgets/colour.html"

    def __init__(self, colours: Sequence[str], **options: Any) -> None:
        super().__init__(**options)
        self._colours = tuple(colours)

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        # The list is of this page alone.
        listed = f"imagegen-colours-{name}"
        context: dict[str, Any] = super().get_context(
            name, value, {**(attrs or {}), "list": listed}
        )
        return {**context, "colours": self._colours, "listed": listed}


def kit_field(stored: BrandKit | None = None) -> forms.ModelChoiceField[BrandKit]:
    """Return the field that chooses a brand kit; one that is archived may stay where it is stored."""
    known = Q() if stored is None else Q(pk=stored.pk)
    kits = BrandKit.objects.filter(Q(is_archived=False, current__isnull=False) | known)
    return forms.ModelChoiceField(
        queryset=kits.select_related("current").order_by("name"),
        to_field_name="slug",
        required=False,
        label=_("Brand kit"),
        empty_label=gettext_lazy("No brand kit"),
        initial=None if stored is None else stored.slug,
        help_text=_("Adds its words, reference images, LoRA and house seed to each request."),
    )


def studio_field(version: TemplateVersion | None) -> forms.ModelChoiceField[BrandKit]:
    """Return the field of the studio's form: a template that inherits a kit fixes it."""
    inherited = None if version is None else version.brand_kit
    field = kit_field(inherited)
    # Read once: the page asks whether there are any before it lists them.
    kits = [(one.slug, str(one)) for one in field.queryset or ()]
    field.choices = [("", str(_("No brand kit"))), *kits]
    if inherited is not None:
        field.disabled = True
        field.help_text = _("Fixed by the template.")
    return field


def colours_of(kit: BrandKit | None) -> list[str]:
    """Return the values that the palette of a kit offers for colour variables."""
    if kit is None or kit.current is None:
        return []
    return [one.value for one in brand_kits.palette_of(kit.current)]


def offer_colours(field: forms.Field, variable: Variable, kit: BrandKit | None) -> None:
    """Offer the colours of a kit in the field of a colour variable."""
    colours = colours_of(kit) if variable.kind is VariableKind.COLOUR else []
    if colours:
        widget = ColourInput(colours, attrs={**field.widget.attrs, "dir": "auto"})
        widget.is_required = field.required
        field.widget = widget


def added_by_kit(job_request: JobRequest) -> dict[str, Any]:
    """Return what a request's kit adds, for the page: words of the prompt, and the rest in a sentence."""
    kit = job_request.brand_kit
    if kit is None:
        return {"kit_words": "", "kit_sentence": ""}
    return {"kit_words": kit.words, "kit_sentence": _sentence(kit)}


def _sentence(kit: AppliedKit) -> str:
    parts = [
        _("style words") if kit.words else "",
        _("negative words: %(words)s") % {"words": kit.negative_words}
        if kit.negative_words
        else "",
        ", ".join(f"LoRA {one.name} ({one.weight:g})" for one in kit.loras),
        ngettext("%(number)s reference image", "%(number)s reference images", kit.reference_count)
        % {"number": kit.reference_count}
        if kit.reference_count
        else "",
        "" if kit.seed is None else _("seed %(seed)s") % {"seed": kit.seed},
    ]
    added = "; ".join(filter(None, parts)) or _("nothing that is not there already")
    return _("The brand kit “%(kit)s” adds: %(added)s.") % {"kit": kit.version, "added": added}
