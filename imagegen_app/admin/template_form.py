"""The form of a prompt template: what the library says of it, and the content of its next version."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app import database
from imagegen_app.admin import draft_choice, template_guides
from imagegen_app.admin.base import AnyModelForm
from imagegen_app.admin.fixed_lines import (
    FixedLorasField,
    FixedParametersField,
    lora_lines,
    parameter_lines,
)
from imagegen_app.admin.pages import kit_choice
from imagegen_app.admin.shot_rows import ADD_SHOT_BUTTON, ShotRowsField
from imagegen_app.admin.template_widgets import SourceTextarea, SuggestedInput
from imagegen_app.admin.variable_rows import ADD_BUTTON, VariableRowsField
from imagegen_app.core import passes, types
from imagegen_app.core.limits import (
    MAX_ALT_CHARS,
    MAX_COUNT,
    MAX_INSTRUCTION_CHARS,
    MAX_TEMPLATE_CHARS,
)
from imagegen_app.core.operations import Operation
from imagegen_app.models import ImageModel, PromptTemplate, TemplateVersion, labels
from imagegen_app.models.templates import SEED_STRATEGIES
from imagegen_app.services.job_requests import (
    pass_planning,
    template_checks,
    template_drafts,
    templates,
)

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from imagegen_app.services.job_requests.template_checks import TemplateReport

#: Buttons that show the form again, with what was found, and store nothing.
_CHECK_BUTTONS = ("_check", ADD_BUTTON, ADD_SHOT_BUTTON)
#: Fields that a draft is made of.
_VERSION_FIELDS = frozenset(
    {
        *("body", "negative", "variables", "operation", "image_model", "size", "count", "quality"),
        *("seed_strategy", "seed", "parameters", "loras", "alt_pattern", "version_note"),
        "shots",
    }
)
#: Categories that are suggested.
_MAX_CATEGORIES = 200
_TEXTS = ("body", "negative", "alt_pattern")
#: The fields in which problems of a draft's parts are shown, where they are called otherwise.
_FIELDS = {"passes": "pass_0", "guides": "guide_0_asset", "width": "size"}


class TemplateForm(AnyModelForm):
    """Edit a template; saving stores a new version, published or as a draft, if its content changed."""

    body = forms.CharField(
        label=gettext_lazy("Prompt"),
        max_length=MAX_TEMPLATE_CHARS,
        widget=SourceTextarea(rows=6),
        help_text=gettext_lazy(
            "Write variables in double braces: {{ product }}. {% if %} is available, too."
        ),
    )
    negative = forms.CharField(
        label=gettext_lazy("Negative prompt"),
        required=False,
        max_length=MAX_TEMPLATE_CHARS,
        widget=SourceTextarea(rows=2),
    )
    variables = VariableRowsField(
        label=gettext_lazy("Variables"),
        required=False,
        help_text=gettext_lazy(
            "What a request fills in. The check offers those that the texts name and that are not "
            "here yet."
        ),
    )
    shots = ShotRowsField(
        label=gettext_lazy("Shots"),
        required=False,
        help_text=gettext_lazy(
            "Several pictures of each object, such as its front and its back. {{ shot }} in the prompt "
            "stands for the text of the one that is made, and in the alternative text for its name."
        ),
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
        widget=SourceTextarea(rows=2),
        help_text=gettext_lazy(
            "A sentence with the variables of the prompt, which is suggested for each image: A vase "
            "with {{ flower }} on a table."
        ),
    )
    version_note = forms.CharField(
        label=gettext_lazy("What changed"), required=False, max_length=200
    )

    owner_name = forms.CharField(
        label=gettext_lazy("Owner"),
        required=False,
        max_length=150,
        help_text=gettext_lazy(
            "User name of the person who answers for the template, and whom others are told to ask."
        ),
    )
    groups = forms.ModelMultipleChoiceField(
        label=gettext_lazy("Groups that may use it"),
        queryset=Group.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None of them: everybody who may request images."),
    )

    #: The newest version that the author has seen: another person's is not passed over.
    seen_version = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)
    #: Who edits it; images that this person may use can be chosen as guides.
    actor: Person | None = None
    #: The version to begin with; empty for the newest draft, or else the published one.
    asked_version = ""

    class Meta:
        model = PromptTemplate
        fields = ["name", "slug", "purpose", "category"]
        widgets = {"category": SuggestedInput}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["image_model"].queryset = ImageModel.objects.order_by("name")  # type: ignore[attr-defined]  # a choice field
        version = self.shown = draft_choice.shown_version(self.instance, self.asked_version)
        self.fields["seen_version"].initial = draft_choice.newest_number(self.instance)
        self._offer_passes(version)
        self._fill_in_details()
        self.report: TemplateReport | None = None
        self.fields.update(template_guides.guide_fields(version, actor=self.actor))
        self.fields["brand_kit"] = kit_choice.kit_field(version.brand_kit if version else None)
        if version is not None:
            for name in (
                "body",
                "negative",
                "variables",
                "shots",
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

    def _fill_in_details(self) -> None:
        stored = self.instance
        groups: Any = self.fields["groups"]
        groups.queryset = Group.objects.order_by("name")
        if "category" not in self.fields:
            # Who may only look has no field for it.
            return
        widget: Any = self.fields["category"].widget
        used = PromptTemplate.objects.exclude(category="").order_by("category")
        widget.suggestions = list(
            used.values_list("category", flat=True).distinct()[:_MAX_CATEGORIES]
        )
        if stored.pk:
            self.fields["owner_name"].initial = stored.owner.get_username() if stored.owner else ""
            groups.initial = list(stored.allowed_groups.values_list("group", flat=True))
        elif self.actor is not None:
            self.fields["owner_name"].initial = self.actor.user.get_username()

    def is_valid(self) -> bool:
        """Return whether the template is to be stored: not by a button that only checks it."""
        return super().is_valid() and not any(one in self.data for one in _CHECK_BUTTONS)

    def clean_owner_name(self) -> Any:
        """Return the person of this user name; None for an empty one.

        :raises ValidationError: if there is no such person.
        """
        name = self.cleaned_data["owner_name"].strip()
        if not name:
            return None
        owner = self.instance.owner if self.instance.pk else None
        if owner is not None and owner.get_username() == name:
            return owner
        users = get_user_model()
        active = database.accounts(users).filter(is_active=True)
        found = active.filter(**{users.USERNAME_FIELD: name}).first()
        if found is None:
            raise forms.ValidationError(_("Nobody who is active has this user name."))
        return found

    def details(self) -> templates.TemplateDetails:
        """Return what the valid form says beside the content of a version."""
        data = self.cleaned_data
        return templates.TemplateDetails(
            name=data["name"],
            purpose=data["purpose"],
            category=data["category"],
            owner=data["owner_name"],
            groups=tuple(data["groups"]),
        )

    def clean(self) -> dict[str, Any] | None:
        data = super().clean() or {}
        draft = self._draft(data)
        self._checked = draft or self._texts_alone(data)
        self.report = template_checks.report_on(self._checked)
        if "shots" in self.errors:
            # They are there, and say themselves what is wrong with them.
            known = tuple(one for one in self.report.problems if one.code != "no_shots")
            self.report = replace(self.report, problems=known)
        for problem in self.report.errors:
            if draft is not None or problem.code != "unsupported":
                field = _FIELDS.get(problem.field, problem.field) or str(problem.part)
                self.add_error(field if field in self.fields else None, problem.placed_sentence)
        if draft is not None:
            self.draft = draft
            draft_choice.tell_newer_version(self, data.get("seen_version"))
        return data

    def checked(self) -> tuple[template_drafts.Draft, TemplateReport]:
        """Return what was checked, and what was found; of a form that was not sent, its version."""
        if self.report is None:
            version = self.shown
            self._checked = (
                self._initial_texts() if version is None else template_drafts.draft_of(version)
            )
            self.report = template_checks.report_on(self._checked)
            if version is None:
                # Nobody has written anything yet that could be wrong.
                self.report = replace(
                    self.report,
                    problems=tuple(
                        one for one in self.report.problems if one.code != "unsupported"
                    ),
                )
        return self._checked, self.report

    def _initial_texts(self) -> template_drafts.Draft:
        texts: dict[str, Any] = {
            name: str(self.get_initial_for_field(self.fields[name], name) or "") for name in _TEXTS
        }
        rows = self.get_initial_for_field(self.fields["variables"], "variables")
        variables = self.fields["variables"].clean(rows)
        shots = self.fields["shots"].clean(
            self.get_initial_for_field(self.fields["shots"], "shots")
        )
        return template_drafts.Draft(variables=variables, shots=shots, **texts)

    def _texts_alone(self, data: dict[str, Any]) -> template_drafts.Draft:
        """Return a draft of the texts, for a form whose other fields are not valid."""
        texts: dict[str, Any] = {name: data.get(name) or "" for name in _TEXTS}
        variables, shots = data.get("variables") or [], data.get("shots") or ()
        return template_drafts.Draft(variables=variables, shots=shots, **texts)

    def _draft(self, data: dict[str, Any]) -> template_drafts.Draft | None:
        """Return the draft of a version; None if one of its fields is not valid, which then says so."""
        if not set(data) >= _VERSION_FIELDS:
            return None
        try:
            size = types.Size.parse(data["size"]) if data["size"] else None
        except ValueError:
            self.add_error("size", _("Write it as 1024x768."))
            return None
        incomplete = template_guides.incomplete_rows(data)
        for name in incomplete:
            self.add_error(name, _("Choose the image of this guide, or clear its values."))
        follow_ups = self._passes(data)
        if (
            follow_ups is None
            or incomplete
            or any(name.startswith("guide_") for name in self.errors)
        ):
            return None
        return template_drafts.Draft(
            body=data["body"],
            negative=data["negative"],
            variables=data["variables"],
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
            shots=data["shots"],
            note=data["version_note"],
        )

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
