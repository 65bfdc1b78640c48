"""The form of a batch: the template, and where the values of its variables come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.admin.pages import kit_choice
from imagegen_app.core import prompts
from imagegen_app.models import ImageModel, PromptTemplate
from imagegen_app.services.batches import lifecycle
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from imagegen_app.models import TemplateVersion
    from imagegen_app.services.batches.selections import Selection


#: Batches of more rows than this start with a pilot by default.
PILOT_FROM = 50
#: Rows of the default pilot.
PILOT = 3


class BatchForm(forms.Form):
    """Choose the template, the model, the limits, and a source for each variable."""

    template = forms.ModelChoiceField(
        queryset=PromptTemplate.objects.none(), to_field_name="slug", label=gettext_lazy("Template")
    )
    image_model = forms.ModelChoiceField(
        queryset=ImageModel.objects.none(),
        to_field_name="slug",
        label=gettext_lazy("Image model"),
        required=False,
        empty_label=gettext_lazy("As set in the template"),
    )

    def __init__(
        self,
        data: Any,
        *,
        actor: Person,
        selection: Selection,
        version: TemplateVersion | None,
    ) -> None:
        super().__init__(data, initial={"template": version.template.slug if version else ""})
        self.version = version
        self._field("template").queryset = PromptTemplate.objects.filter(
            is_archived=False, current__isnull=False
        ).order_by("name")
        granted = [m.pk for m in access.granted_models(actor)]
        self._field("image_model").queryset = ImageModel.objects.filter(pk__in=granted).order_by(
            "name"
        )
        self.fields["pilot_rows"] = forms.IntegerField(
            label=_("Pilot"),
            required=False,
            min_value=0,
            max_value=1000,
            initial=PILOT if len(selection.keys) > PILOT_FROM else 0,
            help_text=_(
                "Rows to generate first, for review before the rest starts. 0 = all at once."
            ),
        )
        self.fields["spending_limit"] = forms.DecimalField(
            label=_("Spending limit"), required=False, min_value=0, max_digits=12, decimal_places=2
        )
        self.fields["max_failure_percent"] = forms.IntegerField(
            label=_("Pause above this failure rate (%)"),
            required=False,
            min_value=0,
            max_value=100,
            initial=50,
        )
        self.fields["max_blocked"] = forms.IntegerField(
            label=_("Pause after this many rows are blocked by the content check"),
            required=False,
            min_value=0,
            max_value=10_000,
        )
        self.variable_names: list[str] = []
        if version is not None:
            self._add_variables(selection, version)

    def _field(self, name: str) -> Any:
        return self.fields[name]

    def _add_variables(self, selection: Selection, version: TemplateVersion) -> None:
        guesses = content_fields.guess_mapping(selection.target, version)
        paths = [("", _("fixed value:")), *content_fields.mappable_fields(selection.target.model)]
        for variable in prompts.variables_from(version.variables):
            self.variable_names.append(variable.name)
            self.fields[f"map_{variable.name}"] = forms.ChoiceField(
                choices=paths,
                required=False,
                label=variable.label,
                help_text=variable.help,
                initial=guesses.get(variable.name, ""),
            )
            fixed: forms.Field = forms.CharField(
                required=False,
                max_length=variable.max_chars,
                initial=variable.default,
                label=_("%(variable)s, fixed value") % {"variable": variable.label},
            )
            if variable.choices:
                fixed = forms.ChoiceField(
                    choices=[("", "—"), *((c, c) for c in variable.choices)],
                    required=False,
                    initial=variable.default,
                    label=fixed.label,
                )
            kit_choice.offer_colours(fixed, variable, version.brand_kit)
            self.fields[f"fix_{variable.name}"] = fixed

    @property
    def variable_rows(self) -> list[tuple[Any, Any]]:
        """The mapping and the fixed value of each variable, side by side."""
        return [(self[f"map_{name}"], self[f"fix_{name}"]) for name in self.variable_names]

    @property
    def limit_fields(self) -> list[Any]:
        """The fields that decide when the batch pauses for a person."""
        return [
            self[name]
            for name in ("pilot_rows", "spending_limit", "max_failure_percent", "max_blocked")
        ]

    def limits(self) -> lifecycle.BatchLimits:
        """Return the limits at which the batch pauses; the form must be valid."""
        data = self.cleaned_data
        return lifecycle.BatchLimits(
            pilot=data.get("pilot_rows") or 0,
            spending_limit=data.get("spending_limit"),
            max_failure_percent=data.get("max_failure_percent") or 0,
            max_blocked=data.get("max_blocked") or 0,
        )

    def mapping(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return (variable to path, variable to fixed value)."""
        source = self.cleaned_data if self.is_bound and self.is_valid() else self._initials()
        mapped = {n: str(source.get(f"map_{n}") or "") for n in self.variable_names}
        fixed = {n: str(source.get(f"fix_{n}") or "") for n in self.variable_names if not mapped[n]}
        return {n: p for n, p in mapped.items() if p}, fixed

    def _initials(self) -> dict[str, Any]:
        return {name: field.initial for name, field in self.fields.items()}
