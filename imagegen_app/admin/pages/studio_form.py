"""The studio's form: a template's variables as fields, and what the chosen model offers."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.admin.pages import (
    asked_values,
    earlier_values,
    fixed_fields,
    form_requests,
    grid_fields,
    input_fields,
    kit_choice,
    mask_fields,
    model_change,
    model_fields,
    pass_fields,
    reference_fields,
    shot_choice_field,
)
from imagegen_app.admin.pages.parameter_fields import parameter_fields
from imagegen_app.admin.pages.start_fields import StartFields
from imagegen_app.admin.pages.variable_fields import variable_field
from imagegen_app.core import prompts
from imagegen_app.core.limits import MAX_PROMPT_CHARS
from imagegen_app.core.types import WORDLESS_OPERATIONS, InputRole, Operation
from imagegen_app.models import ImageModel, Job, PromptTemplate
from imagegen_app.services.gateways import adapters
from imagegen_app.services.job_requests import model_options, request_sets
from imagegen_app.services.job_requests.model_options import ModelOptions
from imagegen_app.services.job_requests.values import SIZE_OF_SOURCE
from imagegen_app.services.policy import access, template_access, use_of_assets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.actors import Person
    from imagegen_app.core.prompts import Variable
    from imagegen_app.models import TemplateVersion
    from imagegen_app.services.job_requests.request_sets import RequestSet
    from imagegen_app.services.library.content_images import ContentImage
    from imagegen_app.services.library.recipes import Recipe
    from imagegen_app.services.policy.access import ActionRefused

_NOT_KEPT = frozenset({"template", "image_model", "nonce"})


class StudioForm(StartFields):
    """The form of a request in the studio, with or without a template, for one model."""

    template = forms.ModelChoiceField(
        queryset=PromptTemplate.objects.none(),
        to_field_name="slug",
        required=False,
        label=gettext_lazy("Template"),
        empty_label=gettext_lazy("No template: free prompt"),
    )
    #: Identifies one rendering of the page: submitting it twice creates one request.
    nonce = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def __init__(
        self,
        data: Any,
        *,
        actor: Person,
        version: TemplateVersion | None,
        values: Mapping[str, str],
        files: Any = None,
        asset: str = "",
        taken: str = "",
        recipe: Recipe | None = None,
        asked: Mapping[str, str] | None = None,
        is_kept: bool = False,
        content: ContentImage | None = None,
        told: Sequence[str] = (),
    ) -> None:
        """Build the form; `is_kept` shows the data again without judging it, for another model.

        `content` is the image of an object of the site to start from, and `told` what else to say.
        """
        self.actor = actor
        slug = version.template.slug if version else ""
        #: Whether the submitted data belongs to the template that is shown.
        self.is_for_this_template = data is not None and data.get("shown_template", "") == slug
        is_kept = data is not None and (is_kept or not self.is_for_this_template)
        is_bound = data is not None and not is_kept
        super().__init__(
            data if is_bound else None,
            files if is_bound else None,
            initial={"template": slug, "nonce": secrets.token_urlsafe(12), "asset": asset},
        )
        self.version, self._asked, self.content = version, asked or {}, content
        self.fixed_guides = fixed_fields.guides_of(version, actor)
        #: What had to change because another model was chosen, in sentences.
        self.changes: list[str] = [*told]
        self._add_choices(actor)
        self.fields["brand_kit"] = kit_choice.studio_field(version)
        if data is None and asset and self._found("asset", asset) is None:
            asset = self.initial["asset"] = ""
            self.changes.append(str(asked_values.SOURCE_NOT_USABLE))
        self.variables: tuple[Variable, ...] = ()
        if recipe is not None and data is None and recipe.brand_kit is not None:
            self.initial.setdefault("brand_kit", recipe.brand_kit.slug)
        self._add_texts(values)
        self._offer_colours(data)
        if recipe is not None and recipe.inputs_of is not None and not asset:
            self.fields["inputs_of"].initial = recipe.inputs_of.pk
        self.taken = reference_fields.taken_images(data, actor=actor, added=taken)
        if any(not one.is_usable for one in self.taken):
            self.changes.append(str(asked_values.SOURCE_NOT_USABLE))
        self.promised = input_fields.promised_files(data)
        self._chosen = {*self.promised, *(files or ()), *mask_fields.drawn_names(data)}
        self.options = self._options(data, recipe)
        self.fields.update(model_fields.model_fields(self.options, version))
        if self.options is not None:
            self.fields.update(input_fields.input_fields(self.options))
            self.fields.update(reference_fields.reference_fields(self.taken, self.options))
            picture = self._first("asset", data) or content
            self.fields.update(mask_fields.drawing_fields(picture, self.options))
            self.fields.update(grid_fields.grid_fields(self.options, self.usable))
            sent = data if data is not None and is_bound else ()
            self.fields.update(parameter_fields(self._parameters(), sent=sent))
            self._require_words(self.options)
        self.fields.update(pass_fields.pass_fields(actor, version, granted=self.granted))
        if recipe is not None:
            not_kept = self._fill_in(recipe, is_from_image=bool(asset))
            # Whoever sends the form has read this.
            self.changes += not_kept if data is None else []
        if asset or content:
            # The proportions of the picture that is changed.
            self._choice("size").initial = SIZE_OF_SOURCE
        if data is None:
            asked_values.fill_in(self, self._asked)
        if is_kept:
            self._keep(data, files)
        fixed_fields.fix(self, version)

    def _options(self, data: Any, recipe: Recipe | None) -> ModelOptions | None:
        """Return what the chosen model offers for what is to be done; None without any model."""
        wanted = str((self._asked if data is None else data).get("image_model") or "")
        if not wanted and recipe is not None:
            wanted = str(recipe.image_model_id)
        model = next((m for m in self.usable if str(m.pk) == wanted), None)
        model = model or self._model_to_begin_with(data)
        if model is None:
            return None
        self._choice("image_model").initial = model.pk
        try:
            offer = adapters.capabilities(model)
        except adapters.ProviderNotConfigured as error:
            self.changes.append(str(error))
            return None
        return ModelOptions(model, self._operation(data, model, offer), offer)

    def _model_to_begin_with(self, data: Any) -> ImageModel | None:
        """Return the first model that makes images of words alone, unless there is an image."""
        if self.content or any(self._first(name, data) for name in ("asset", "inputs_of")):
            return next(iter(self.usable), None)
        if any(one.is_usable for one in self.taken):
            taking = (m for m in self.usable if model_options.takes_images(m))
            return next(taking, next(iter(self.usable), None))
        return next(filter(model_options.generates, self.usable), next(iter(self.usable), None))

    def _operation(self, data: Any, model: ImageModel, offer: Any) -> Operation:
        """Return what the form is for, as far as that is known before it is sent."""
        wanted = str((self._asked if data is None else data).get("operation") or "")
        if wanted in offer.operations:
            return Operation(wanted)
        job, template = self._first("inputs_of", data), self.version
        if job is not None:
            return Operation(job.operation)
        if template is not None and template.operation != Operation.GENERATE:
            return Operation(template.operation)
        roles = input_fields.roles_by_field()
        chosen = {role for name, role in roles.items() if name in self._chosen}
        chosen |= reference_fields.roles_of(
            self.taken, ModelOptions(model, Operation.GENERATE, offer)
        )
        if self._first("asset", data) or self.content:
            chosen.add(InputRole.IMAGE)
        return model_options.operation_for(offer, frozenset(chosen))

    def _parameters(self) -> Mapping[str, Any]:
        """Return the model's parameters that this form may be for."""
        if self.options is None:
            return {}
        offer = self.options.capabilities
        reachable = {self.options.operation, *model_fields.DECIDED_BY_INPUTS} & offer.operations
        return {
            name: parameter
            for name, parameter in offer.parameters.items()
            if any(parameter.belongs_to(operation) for operation in reachable)
        }

    def _fill_in(self, recipe: Recipe, *, is_from_image: bool) -> list[str]:
        """Offer the values of an earlier job; return what of them is not kept, in sentences."""
        model = self._choice("image_model")
        recipe = asked_values.with_asked_model(recipe, self.options, self._asked)
        if any(m.pk == recipe.image_model_id for m in self.usable):
            model.initial = recipe.image_model_id
        values, told = earlier_values.values_of(
            recipe,
            self.options,
            version=self.version,
            parameters=self._parameters(),
            is_from_image=is_from_image,
            fields=self.fields,
        )
        for name, value in values.items():
            if name in {"size", "quality", "count"}:
                self.offer(name, value, model_fields.label_before(name, value))
            elif name in self.fields:
                self.fields[name].initial = value
        return told

    def _keep(self, data: Any, files: Any) -> None:
        """Show what was chosen before, as far as the model has it, and say what it has not."""
        sent = {name: str(data.get(name) or "") for name in data}
        options = self.options
        if options is not None and sent.get("shown_model") != str(options.image_model.pk):
            sent, changes = model_change.adapted(
                sent, options, parameters=self._parameters(), promised=self.promised
            )
            self.changes += changes
        if mask_fields.are_lost(data, files):
            self.changes.append(_("Choose the files again: they are sent with the request only."))
        for name, field in self.fields.items():
            if name in _NOT_KEPT or isinstance(field, forms.FileField):
                continue
            if isinstance(field, forms.BooleanField):
                # What a browser does not send was not checked.
                self.initial[name] = bool(sent.get(name))
            elif name in sent:
                self.initial[name] = sent[name]
                if name in {"size", "quality", "count"}:
                    self.offer(name, sent[name], sent[name])
        self.initial.update(pass_fields.kept_values(data, version=self.version, actor=self.actor))
        self.initial.update(mask_fields.kept_values(data))
        self.initial.update(grid_fields.kept_values(data))

    def offer(self, name: str, value: str, label: str) -> None:
        """Begin a choice with a value that may not be among those on offer."""
        field = self._choice(name)
        if value == model_fields.USUAL_QUALITY:
            label = _("As usual")
        if value not in dict(field.choices):
            field.choices = [*field.choices, (value, label)]
        field.initial = value

    def _add_choices(self, actor: Person) -> None:
        version = self.version
        self._choice("inputs_of").queryset = Job.objects.filter(requester=actor.user)
        self._choice("asset").queryset = use_of_assets.usable_assets(actor)
        self._choice("template").queryset = template_access.usable_templates(actor).order_by("name")
        fixed = version.image_model_id if version else None
        self.granted = access.granted_models(actor)
        self.usable = [m for m in self.granted if fixed in {None, m.pk}]
        self.fields["image_model"] = forms.ModelChoiceField(
            queryset=ImageModel.objects.filter(pk__in=[m.pk for m in self.usable]).order_by("name"),
            label=_("Image model"),
            empty_label=None,
            widget=forms.RadioSelect,
        )

    def _add_texts(self, values: Mapping[str, str]) -> None:
        if self.version is None:
            self.fields["prompt"] = forms.CharField(
                label=_("Prompt"),
                max_length=MAX_PROMPT_CHARS,
                widget=forms.Textarea(attrs={"rows": 5, "dir": "auto"}),
                help_text=_("Describe what the image should show."),
                initial=values.get("prompt", ""),
            )
            return
        self.fields.update(shot_choice_field.shot_field(self.version))
        self.variables = prompts.variables_from(self.version.variables)
        for variable in self.variables:
            self.fields[f"v_{variable.name}"] = variable_field(
                variable, values.get(variable.name, "")
            )

    def _require_words(self, options: ModelOptions) -> None:
        """Ask for a prompt only where the operation does not say all by itself."""
        if "prompt" in self.fields:
            self.fields["prompt"].required = options.operation not in WORDLESS_OPERATIONS

    def _offer_colours(self, data: Any) -> None:
        """Offer the colours of the chosen brand kit for variables that are colours."""
        kit = self._first("brand_kit", data)
        for variable in self.variables:
            kit_choice.offer_colours(self.fields[f"v_{variable.name}"], variable, kit)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for name, reason in input_fields.incomplete_rows(data):
            if not self.promised.get(name):
                self.add_error(name, reason)
        if any(not one.is_usable for one in self.taken):
            self.add_error("asset", asked_values.SOURCE_NOT_USABLE)
        for name, reason in pass_fields.pass_problems(data):
            self.add_error(name, reason)
        return data

    def show_refusal(self, refusal: ActionRefused) -> None:
        """Tell why the request is refused beside the follow-up pass that it is refused for."""
        position = getattr(refusal, "position", None)
        if position is not None:
            self.add_error(pass_fields.field_of(self.cleaned_data, position), refusal.reason)

    @property
    def has_passes(self) -> bool:
        """Whether the form was shown with follow-up passes."""
        return not self.is_bound or "pass_0" in self.data

    def request_set(self, actor: Person) -> RequestSet:
        """Return the requests of a valid form; a page submitted twice creates one set.

        :raises InvalidJobRequest: if a value is not valid.
        """
        asked = form_requests.planned(self, actor, self.cleaned_data)
        return request_sets.with_form_keys(asked, page=self.cleaned_data.get("nonce", ""))

    def draft_set(self, actor: Person, *, words: str = "") -> RequestSet:
        """Return the requests for the current values of a form that may be unfinished.

        `words` stand for a prompt that is not written yet.

        :raises InvalidJobRequest: if a value is missing or not valid.
        """
        if self.is_bound:
            self.is_valid()
            return form_requests.planned(
                self, actor, getattr(self, "cleaned_data", {}), is_draft=True, words=words
            )
        initial = {name: self.get_initial_for_field(f, name) for name, f in self.fields.items()}
        model = None if self.options is None else self.options.image_model
        return form_requests.planned(
            self,
            actor,
            {
                **initial,
                "image_model": model,
                "asset": self.source_asset,
                "inputs_of": self.source_job,
                "seed": model_fields.whole_number(initial.get("seed")),
            },
            is_draft=True,
            words=words,
        )
