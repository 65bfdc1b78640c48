"""The form of a batch: the template, and where the values of its variables come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.admin.pages import kit_choice, shot_fields
from imagegen_app.core import prompts
from imagegen_app.core.types import InputRole, Operation
from imagegen_app.models import ImageModel, PromptTemplate
from imagegen_app.models.labels import LABELS
from imagegen_app.services.batches import lifecycle, row_images
from imagegen_app.services.job_requests import composition
from imagegen_app.services.policy import access, template_access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.actors import Person
    from imagegen_app.models import TemplateVersion
    from imagegen_app.services.batches.batch_shots import ShotPlace
    from imagegen_app.services.gateways.content_fields import Target


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
        version: TemplateVersion | None,
        row_count: int,
        places: Sequence[tuple[str, str]],
        guesses: Mapping[str, str],
        image_places: Sequence[tuple[str, str]] = (),
        image_guess: str = "",
        target: Target | None = None,
    ) -> None:
        """`places` are what a variable can be mapped to, as (path, label); `guesses` some of them.

        `image_places` are where a row can have an input image; `image_guess` is one of them. `target`
        names the objects that the shots of the template can be placed on.
        """
        data = shot_fields.with_usual_places(data, version, target)
        super().__init__(data, initial={"template": version.template.slug if version else ""})
        self.version = version
        self._field("template").queryset = template_access.usable_templates(actor).order_by("name")
        granted = [m.pk for m in access.granted_models(actor)]
        self._field("image_model").queryset = ImageModel.objects.filter(pk__in=granted).order_by(
            "name"
        )
        self.fields["pilot_rows"] = forms.IntegerField(
            label=_("Pilot"),
            required=False,
            min_value=0,
            max_value=1000,
            initial=PILOT if row_count > PILOT_FROM else 0,
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
        #: The variables without which no prompt can be made.
        self._required: set[str] = set()
        #: What the template's operation and the model take input images for.
        self.image_roles: list[InputRole] = []
        #: The model that they are asked of; None if there is none.
        self._model: ImageModel | None = None
        if version is not None:
            self._add_variables(version, places=places, guesses=guesses)
            self._add_images(actor, version, places=image_places, guess=image_guess)
        self.shots = shot_fields.add_shot_fields(self, version, target)
        if PILOT < row_count <= PILOT_FROM < row_count * len(self.shots):
            # Few rows, and many images of them.
            self.fields["pilot_rows"].initial = PILOT

    def _field(self, name: str) -> Any:
        return self.fields[name]

    def _add_variables(
        self,
        version: TemplateVersion,
        *,
        places: Sequence[tuple[str, str]],
        guesses: Mapping[str, str],
    ) -> None:
        choices = [("", _("fixed value:")), *places]
        for variable in prompts.variables_from(version.variables):
            self.variable_names.append(variable.name)
            self.fields[f"map_{variable.name}"] = forms.ChoiceField(
                choices=choices,
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
            # A switch that says nothing is off.
            if variable.required and variable.kind is not prompts.VariableKind.SWITCH:
                self._required.add(variable.name)

    def _add_images(
        self,
        actor: Person,
        version: TemplateVersion,
        *,
        places: Sequence[tuple[str, str]],
        guess: str,
    ) -> None:
        chosen = str(self.data.get("image_model") or "") if self.is_bound else ""
        given = self._field("image_model").queryset.filter(slug=chosen).first() if chosen else None
        try:
            self._model = composition.resolve_model(actor, given, version)
            self.image_roles = row_images.roles_for(version, self._model)
        except ActionRefused:
            # The preview says why no row can be made.
            return
        needed = row_images.needed_role(version)
        for role in self.image_roles:
            self.fields[f"image_{role.value}"] = forms.ChoiceField(
                choices=[("", _("no image")), *places],
                required=False,
                label=LABELS[InputRole][role],
                initial=guess if role is needed else "",
            )

    def images(self) -> dict[str, str]:
        """Return where the rows' input images are, by role."""
        source = self.cleaned_data if self.is_bound and self.is_valid() else self._initials()
        found = {one.value: str(source.get(f"image_{one.value}") or "") for one in self.image_roles}
        return {role: place for role, place in found.items() if place}

    @property
    def image_fields(self) -> list[Any]:
        """The fields that say where input images are."""
        return [self[f"image_{role.value}"] for role in self.image_roles]

    @property
    def image_problem(self) -> str:
        """Why no row can be made with these input images; empty if nothing is wrong with them."""
        if self.version is None or self._model is None:
            return ""
        return row_images.mapping_problem(self.version, self._model, self.images())

    @property
    def images_unused(self) -> str:
        """Why the template has no use for input images; empty if it has."""
        if self.version is None or self._model is None or self.image_roles:
            return ""
        text = _("“%(operation)s” with “%(model)s” takes no input images.")
        operation = LABELS[Operation][Operation(self.version.operation)]
        return text % {"operation": operation, "model": self._model.name}

    @property
    def variable_rows(self) -> list[tuple[Any, Any, bool]]:
        """The mapping and the fixed value of each variable, and whether it lacks both."""
        mapped, fixed = self.mapping()
        open_ones = {
            name
            for name in self._required
            if name not in mapped and not fixed.get(name, "").strip()
        }
        return [
            (self[f"map_{name}"], self[f"fix_{name}"], name in open_ones)
            for name in self.variable_names
        ]

    def clean(self) -> dict[str, Any]:
        """Require at least one shot, and a field of its own for each that is placed."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        shot_fields.require_choice(self, data, self.shots)
        return data

    @property
    def shot_lines(self) -> list[shot_fields.ShotLine]:
        """The shots of the template, as the page shows them."""
        return shot_fields.shot_lines(self, self.shots)

    def chosen_shots(self) -> list[ShotPlace]:
        """Return the shots that each row is made as; none where the template has none."""
        source = self.cleaned_data if self.is_bound and self.is_valid() else self._initials()
        return shot_fields.chosen_shots(source, self.shots)

    @property
    def limit_fields(self) -> list[Any]:
        """The fields that decide when the batch pauses for a person."""
        return [
            self[name]
            for name in ("pilot_rows", "spending_limit", "max_failure_percent", "max_blocked")
        ]

    def keep_choices(self, sent: Mapping[str, str]) -> None:
        """Begin with what was chosen beside another template: all but its variables and its model."""
        for name, field in self.fields.items():
            is_of_template = name in {"template", "image_model"} or name.startswith(
                ("map_", "fix_", "image_", *shot_fields.PREFIXES)
            )
            if is_of_template or name not in sent:
                continue
            try:
                field.clean(sent[name])
            except ValidationError:
                continue
            field.initial = sent[name]

    @property
    def is_pause_set(self) -> bool:
        """Whether a person has set when the batch pauses, so that the fields are worth seeing."""
        return self.is_bound and any(field.name in self.changed_data for field in self.limit_fields)

    @property
    def pilot(self) -> int:
        """How many rows are made before a person starts the rest; 0 for all at once."""
        if self.is_bound:
            return int(self.cleaned_data.get("pilot_rows") or 0) if self.is_valid() else 0
        return int(self.fields["pilot_rows"].initial or 0)

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


class TableBatchForm(BatchForm):
    """Choose besides which column identifies the rows, and which objects they are about."""

    key_column = forms.ChoiceField(
        label=gettext_lazy("Column that identifies the rows"),
        help_text=gettext_lazy(
            "Such as an article number. Each row needs a value of its own: seeds, file names and the "
            "results are made of it."
        ),
    )
    objects = forms.ChoiceField(
        label=gettext_lazy("The rows are about"),
        required=False,
        help_text=gettext_lazy(
            "Approved images can then be placed on these objects. Rows without an object are skipped."
        ),
    )

    def __init__(
        self,
        data: Any,
        *,
        columns: Sequence[str],
        key_guess: str,
        objects: Sequence[tuple[str, str]],
        objects_guess: str,
        **given: Any,
    ) -> None:
        super().__init__(data, **given)
        self._field("key_column").choices = [(column, column) for column in columns]
        self._field("key_column").initial = key_guess
        self._field("objects").choices = [
            ("", _("nothing on this site: the images stay in the library")),
            *objects,
        ]
        self._field("objects").initial = objects_guess

    def chosen_key_column(self) -> str:
        """Return the column that identifies the rows."""
        return str(self._chosen("key_column"))

    def chosen_objects(self) -> tuple[str, str]:
        """Return the path of the target and the field that the rows are matched by; empty for none."""
        target, _bar, field = str(self._chosen("objects")).partition("|")
        return target, field

    def _chosen(self, name: str) -> Any:
        source = self.cleaned_data if self.is_bound and self.is_valid() else self._initials()
        return source.get(name) or ""
