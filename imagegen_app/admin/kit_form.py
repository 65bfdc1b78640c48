"""The form of a brand kit: a palette of rows, words, reference images, seed and LoRA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.forms import Script
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.admin.base import AnyModelForm
from imagegen_app.admin.fixed_lines import FixedLorasField, lora_lines
from imagegen_app.admin.template_guides import ApprovedAssetWidget
from imagegen_app.core import kit_values
from imagegen_app.models import Asset, BrandKit, JobInput
from imagegen_app.services.foundation.messages import sentence_of
from imagegen_app.services.job_requests import brand_kits
from imagegen_app.services.library import chooser
from imagegen_app.services.policy import model_catalog

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.actors import Person
    from imagegen_app.core.kit_values import PaletteColour
    from imagegen_app.models import BrandKitVersion

#: Rows that are shown though they are empty; the others are one click away.
_SHOWN_ROWS = 6
_EMPTY_ROWS = 2
#: The fields of the reference images, in order.
REFERENCE_FIELDS = tuple(f"reference_{number}" for number in range(kit_values.MAX_REFERENCES))


class PaletteWidget(forms.Widget):
    """A row for each colour: its name, its code, and how it looks."""

    template_name = "imagegen_app/admin/widgets/palette.html"

    class Media:
        js = (Script("imagegen_app/js/elements/palette.js", type="module"),)
        css = {"all": ["imagegen_app/css/tokens.css", "imagegen_app/css/palette.css"]}

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        filled = [dict(one) for one in value or ()][: kit_values.MAX_COLOURS]
        empty = kit_values.MAX_COLOURS - len(filled)
        rows = [
            {"number": number, "name": one.get("name", ""), "code": one.get("code", "")}
            for number, one in enumerate([*filled, *([{}] * empty)], start=1)
        ]
        shown = max(_SHOWN_ROWS, len(filled) + _EMPTY_ROWS)
        return {**context, "rows": rows[:shown], "more": rows[shown:]}

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[dict[str, str]]:
        """Return the rows that have a name or a code."""
        del files
        rows = [
            {
                "name": str(data.get(f"{name}_name_{number}") or "").strip(),
                "code": str(data.get(f"{name}_code_{number}") or "").strip(),
            }
            for number in range(1, kit_values.MAX_COLOURS + 1)
        ]
        return [row for row in rows if row["name"] or row["code"]]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        """An empty palette is one, too."""
        del data, files, name
        return False

    def id_for_label(self, id_: str) -> str:
        """Return the ID of the first name."""
        return f"{id_}_name_1" if id_ else id_

    def use_required_attribute(self, initial: Any) -> bool:
        """Any row may be left empty."""
        del initial
        return False


class PaletteField(forms.Field):
    """Colours by name and code."""

    widget = PaletteWidget

    def clean(self, value: Any) -> tuple[PaletteColour, ...]:
        """Return the colours in order.

        :raises ValidationError: if one is not valid.
        """
        try:
            return kit_values.read_palette(value or ())
        except kit_values.InvalidColour as error:
            raise ValidationError(sentence_of(error.message)) from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether a row differs."""
        return list(initial or ()) != list(data or ())


class KitForm(AnyModelForm):
    """Edit a brand kit; saving publishes a new version if its content changed."""

    palette = PaletteField(
        label=gettext_lazy("Palette"),
        required=False,
        help_text=gettext_lazy("Offered wherever a template asks for a colour."),
    )
    style_words = forms.CharField(
        label=gettext_lazy("Style words"),
        required=False,
        max_length=kit_values.MAX_WORDS_CHARS,
        widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"}),
        help_text=gettext_lazy("Appended to each prompt, such as: soft daylight, matte surfaces."),
    )
    negative_words = forms.CharField(
        label=gettext_lazy("Negative words"),
        required=False,
        max_length=kit_values.MAX_WORDS_CHARS,
        widget=forms.Textarea(attrs={"rows": 2, "dir": "auto"}),
        help_text=gettext_lazy(
            "What no image should show, separated by commas. Models without a negative prompt "
            "refuse such a kit."
        ),
    )
    seed = forms.IntegerField(
        label=gettext_lazy("House seed"),
        required=False,
        min_value=0,
        help_text=gettext_lazy("Of requests and templates that have no seed of their own."),
    )
    loras = FixedLorasField(
        label="LoRA",
        help_text=gettext_lazy("Each on a line of its own, with its weight: watercolour=0.8."),
    )
    version_note = forms.CharField(
        label=gettext_lazy("What changed"), required=False, max_length=200
    )

    #: Who edits it; images that this person may use can be chosen as references.
    actor: Person | None = None
    #: What is stored, once the form is valid.
    draft: brand_kits.KitDraft

    class Meta:
        model = BrandKit
        fields = ["name", "slug"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        version = self.instance.current if self.instance.pk else None
        self.fields.update(_reference_fields(version, actor=self.actor))
        if version is not None:
            for name in ("palette", "style_words", "negative_words", "seed"):
                self.fields[name].initial = getattr(version, name)
            self.fields["loras"].initial = lora_lines(version.loras)

    def clean(self) -> dict[str, Any] | None:
        data = super().clean() or {}
        if self.errors:
            return data
        self.draft = brand_kits.KitDraft(
            palette=data["palette"],
            style_words=data["style_words"],
            negative_words=data["negative_words"],
            references=_given_references(data),
            seed=data["seed"],
            loras=data["loras"],
            note=data["version_note"],
        )
        try:
            brand_kits.check(self.draft)
        except model_catalog.InvalidRecord as error:
            field = REFERENCE_FIELDS[0] if error.field == "references" else error.field
            self.add_error(field if field in self.fields else None, error.reason)
        return data


def _given_references(data: Mapping[str, Any]) -> Sequence[Any]:
    return [data[name].pk for name in REFERENCE_FIELDS if data.get(name)]


def _reference_fields(
    version: BrandKitVersion | None, *, actor: Person | None
) -> dict[str, forms.Field]:
    stored = [] if version is None else list(version.references)
    usable = Asset.objects.none() if actor is None else chooser.usable_guides(actor)
    # What is there may stay: the service says if it cannot be used any more.
    offered = Asset.objects.filter(Q(pk__in=usable.values("pk")) | Q(pk__in=stored))
    relation = JobInput.asset.field.remote_field
    return {
        name: forms.ModelChoiceField(
            queryset=offered,
            required=False,
            label=_("Reference %(number)s") % {"number": number + 1},
            initial=stored[number] if number < len(stored) else None,
            widget=ApprovedAssetWidget(relation, admin.site, usable=usable),
            error_messages={
                "invalid_choice": gettext_lazy(
                    "This image is not available to you; choose an approved one."
                )
            },
        )
        for number, name in enumerate(REFERENCE_FIELDS)
    }
