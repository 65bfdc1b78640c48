"""The form of a prompt template, with one row of fields per variable."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.admin import template_guides
from imagegen_app.admin.base import AnyModelForm
from imagegen_app.admin.fixed_lines import (
    FixedLorasField,
    FixedParametersField,
    lora_lines,
    parameter_lines,
)
from imagegen_app.admin.pages import kit_choice
from imagegen_app.core import passes, types
from imagegen_app.core.limits import (
    MAX_ALT_CHARS,
    MAX_COUNT,
    MAX_INSTRUCTION_CHARS,
    MAX_TEMPLATE_CHARS,
)
from imagegen_app.core.operations import Operation
from imagegen_app.core.variable_kinds import VariableKind
from imagegen_app.models import ImageModel, PromptTemplate, TemplateVersion, labels
from imagegen_app.models.templates import SEED_STRATEGIES
from imagegen_app.services.job_requests import pass_planning, templates
from imagegen_app.services.policy import model_catalog

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person

#: Rows for variables; templates created by code may have more variables.
VARIABLE_ROWS = 8
#: The cells of a variable's row.
CELLS = ("name", "kind", "label", "default", "choices", "required")


class TemplateForm(AnyModelForm):
    """Edit a template; saving publishes a new version if its content changed."""

    body = forms.CharField(
        label=gettext_lazy("Prompt"),
        max_length=MAX_TEMPLATE_CHARS,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text=gettext_lazy(
            "Write variables in double braces: {{ product }}. {% if %} is available, too."
        ),
    )
    negative = forms.CharField(
        label=gettext_lazy("Negative prompt"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    operation = forms.ChoiceField(
        label=gettext_lazy("Operation"),
        choices=labels.choices(Operation),
    )
    image_model = forms.ModelChoiceField(
        label=gettext_lazy("Image model"),
        queryset=ImageModel.objects.none(),
        required=False,
        empty_label=gettext_lazy("The requester chooses"),
    )
    size = forms.CharField(
        label=gettext_lazy("Size"),
        required=False,
        help_text=gettext_lazy("For example 1024x1024; empty for the model's own size."),
    )
    count = forms.IntegerField(
        label=gettext_lazy("Images"),
        initial=1,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_COUNT)],
    )
    quality = forms.CharField(
        label=gettext_lazy("Quality"),
        required=False,
        max_length=20,
        help_text=gettext_lazy("draft, standard or high; or a word of the model's own."),
    )
    seed_strategy = forms.ChoiceField(label=gettext_lazy("Seed"), choices=SEED_STRATEGIES)
    seed = forms.IntegerField(label=gettext_lazy("Fixed seed"), required=False, min_value=0)
    pass_0 = forms.ChoiceField(label=gettext_lazy("Follow-up pass"), required=False)
    pass_1 = forms.ChoiceField(label=gettext_lazy("Follow-up pass"), required=False)
    pass_2 = forms.ChoiceField(label=gettext_lazy("Follow-up pass"), required=False)
    pass_text_0 = forms.CharField(
        label=gettext_lazy("Instruction"), required=False, max_length=MAX_INSTRUCTION_CHARS
    )
    pass_text_1 = forms.CharField(
        label=gettext_lazy("Instruction"), required=False, max_length=MAX_INSTRUCTION_CHARS
    )
    pass_text_2 = forms.CharField(
        label=gettext_lazy("Instruction"), required=False, max_length=MAX_INSTRUCTION_CHARS
    )
    parameters = FixedParametersField(
        label=gettext_lazy("Fixed parameters"),
        help_text=gettext_lazy(
            "The chosen model's own parameters, each on a line of its own, such as steps=28. "
            "Nobody can change them in a request."
        ),
    )
    loras = FixedLorasField(
        label=gettext_lazy("Fixed LoRA"),
        help_text=gettext_lazy("Each on a line of its own, with its weight: watercolour=0.8."),
    )
    alt_pattern = forms.CharField(
        label=gettext_lazy("Alternative text"),
        required=False,
        max_length=MAX_ALT_CHARS,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy(
            "A sentence with the variables of the prompt, which is suggested for each image: A vase "
            "with {{ flower }} on a table."
        ),
    )
    version_note = forms.CharField(
        label=gettext_lazy("What changed"), required=False, max_length=200
    )

    #: Who edits it; images that this person may use can be chosen as guides.
    actor: Person | None = None

    class Meta:
        model = PromptTemplate
        fields = ["name", "slug", "purpose"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["image_model"].queryset = ImageModel.objects.order_by("name")  # type: ignore[attr-defined]  # a choice field
        version = self.instance.current if self.instance.pk else None
        self._offer_passes(version)
        rows = list(version.variables) if version else []
        for number in range(VARIABLE_ROWS):
            self._add_row(number, rows[number] if number < len(rows) else {})
        self.fields.update(template_guides.guide_fields(version, actor=self.actor))
        self.fields["brand_kit"] = kit_choice.kit_field(version.brand_kit if version else None)
        if version is not None:
            for name in (
                "body",
                "negative",
                "alt_pattern",
                "operation",
                "image_model",
                "count",
                "quality",
                "seed_strategy",
                "seed",
            ):
                self.fields[name].initial = getattr(version, name)
            self.fields["size"].initial = str(version.size or "")
            self.fields["parameters"].initial = parameter_lines(version.parameters)
            self.fields["loras"].initial = lora_lines(version.loras)

    def _offer_passes(self, version: TemplateVersion | None) -> None:
        """Offer the passes that some model supports, and those that are stored already."""
        found = passes.passes_from(version.passes) if version else ()
        stored = [str(replace(one, instruction="")) for one in found]
        offered = dict(pass_planning.available_passes())
        choices = [("", _("No follow-up pass")), *offered.items()]
        choices += [(text, text) for text in dict.fromkeys(stored) if text not in offered]
        for number in range(passes.MAX_PASSES):
            field = self.fields[f"pass_{number}"]
            field.choices = choices  # type: ignore[attr-defined]  # a choice field
            field.initial = stored[number] if number < len(stored) else ""
            words = found[number].instruction if number < len(found) else ""
            self.fields[f"pass_text_{number}"].initial = words

    def _add_row(self, number: int, row: dict[str, Any]) -> None:
        label = _("Variable %(number)s") % {"number": number + 1}
        self.fields[f"name_{number}"] = forms.CharField(
            label=label, required=False, max_length=40, initial=row.get("name", "")
        )
        self.fields[f"kind_{number}"] = forms.ChoiceField(
            label=_("kind"),
            required=False,
            initial=row.get("kind", "text"),
            choices=[
                (value, label)
                for value, label in labels.choices(VariableKind)
                if value != VariableKind.IMAGE.value
            ],
        )
        self.fields[f"label_{number}"] = forms.CharField(
            label=_("label"), required=False, max_length=60, initial=row.get("label", "")
        )
        self.fields[f"default_{number}"] = forms.CharField(
            label=_("default"), required=False, max_length=200, initial=row.get("default", "")
        )
        self.fields[f"choices_{number}"] = forms.CharField(
            label=_("choices, separated by commas"),
            required=False,
            max_length=500,
            initial=", ".join(row.get("choices", [])),
        )
        self.fields[f"required_{number}"] = forms.BooleanField(
            label=_("required"), required=False, initial=row.get("required", True)
        )

    def clean(self) -> dict[str, Any] | None:
        data = super().clean() or {}
        if self.errors:
            return data
        try:
            size = types.Size.parse(data["size"]) if data["size"] else None
        except ValueError:
            self.add_error("size", _("Write it as 1024x768."))
            return data
        for name in template_guides.incomplete_rows(data):
            self.add_error(name, _("Choose the image of this guide, or clear its values."))
        follow_ups = self._passes(data)
        if follow_ups is None or self.errors:
            return data
        draft = templates.Draft(
            body=data["body"],
            negative=data["negative"],
            variables=self._variables(data),
            operation=Operation(data["operation"]),
            image_model=data["image_model"],
            size=size,
            count=data["count"],
            quality=data["quality"],
            seed_strategy=data["seed_strategy"],
            seed=data["seed"],
            passes=follow_ups,
            parameters=data["parameters"],
            loras=data["loras"],
            guides=template_guides.given_guides(data),
            alt_pattern=data["alt_pattern"],
            brand_kit=data["brand_kit"],
            note=data["version_note"],
        )
        try:
            templates.check(draft)
        except model_catalog.InvalidRecord as error:
            first = {"passes": "pass_0", "guides": "guide_0_asset", "width": "size"}
            field = first.get(error.field, error.field)
            self.add_error(field if field in self.fields else None, error.reason)
        self.draft = draft
        return data

    def _passes(self, data: dict[str, Any]) -> list[passes.Pass] | None:
        """Return the follow-up passes; None if one is not valid, which its field then says."""
        found: list[passes.Pass] = []
        for number in range(passes.MAX_PASSES):
            text, words = data[f"pass_{number}"], data[f"pass_text_{number}"].strip()
            if words and not text.startswith(f"{Operation.EDIT}:"):
                self.add_error(f"pass_text_{number}", _("Only an edit takes an instruction."))
                return None
            if not text:
                continue
            try:
                found.append(passes.parse(f"{text}:{words}" if words else text))
            except passes.PassError as error:
                self.add_error(f"pass_text_{number}", _(error.message) % error.values)
                return None
        return found

    def _variables(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        stored = {
            v["name"]: v
            for v in (
                self.instance.current.variables
                if self.instance.pk and self.instance.current
                else []
            )
        }
        rows = []
        for number in range(VARIABLE_ROWS):
            name = data.get(f"name_{number}")
            if not name:
                continue
            kept = {
                k: v
                for k, v in stored.get(name, {}).items()
                if k in {"help", "minimum", "maximum", "max_chars"}
            }
            rows.append(
                {
                    **kept,
                    "name": name,
                    "kind": data.get(f"kind_{number}") or "text",
                    "label": data.get(f"label_{number}", ""),
                    "default": data.get(f"default_{number}", ""),
                    "choices": [
                        c.strip() for c in data.get(f"choices_{number}", "").split(",") if c.strip()
                    ],
                    "required": bool(data.get(f"required_{number}")),
                }
            )
        return rows
