"""The studio's form: a template's variables as fields, and model, size and count."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.core import prompts
from imagegen_app.core.limits import MAX_INPUT_BYTES, MAX_PROMPT_CHARS
from imagegen_app.core.prompts import VariableKind
from imagegen_app.core.types import Operation
from imagegen_app.models import Asset, ImageModel, Job, PromptTemplate
from imagegen_app.services.job_requests import composition, creation, from_job
from imagegen_app.services.job_requests.input_formats import input_formats
from imagegen_app.services.job_requests.values import SIZE_OF_SOURCE, InputSource
from imagegen_app.services.library import chooser
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.actors import Person
    from imagegen_app.core.prompts import Variable
    from imagegen_app.models import TemplateVersion
    from imagegen_app.services.job_requests.values import JobRequest
    from imagegen_app.services.library.recipes import Recipe

SIZES = [
    ("1024x1024", gettext_lazy("Square")),
    ("1536x1024", gettext_lazy("Landscape")),
    ("1024x1536", gettext_lazy("Portrait")),
    ("1536x864", gettext_lazy("Wide")),
]
COUNTS = [(str(n), str(n)) for n in (1, 2, 3, 4)]
DEFAULT_COUNT = 4
#: Maximum number of source images.
MAX_STARTS = 4
_MEGABYTE = 1024 * 1024


class _SeveralFiles(forms.ClearableFileInput):
    allow_multiple_selected = True


class SourceImagesField(forms.FileField):
    """Several uploaded images; the size of each is checked before it is read."""

    widget = _SeveralFiles

    def clean(self, data: Any, initial: Any = None) -> Any:
        files = data if isinstance(data, list | tuple) else [data] if data else []
        if len(files) > MAX_STARTS:
            raise ValidationError(
                _("At most %(most)s source images can be used.") % {"most": MAX_STARTS}
            )
        for file in files:
            if file.size > MAX_INPUT_BYTES:
                raise ValidationError(
                    _("“%(name)s” is %(size)s MB; the limit is %(most)s MB. Choose a smaller file.")
                    % {
                        "name": file.name[:80],
                        "size": file.size // _MEGABYTE,
                        "most": MAX_INPUT_BYTES // _MEGABYTE,
                    }
                )
        return [super(SourceImagesField, self).clean(file, initial) for file in files]


class StudioForm(forms.Form):
    """The form of a request in the studio, with or without a template."""

    template = forms.ModelChoiceField(
        queryset=PromptTemplate.objects.none(),
        to_field_name="slug",
        required=False,
        label=gettext_lazy("Template"),
        empty_label=gettext_lazy("No template: free prompt"),
    )
    #: Identifies one rendering of the page: submitting it twice creates one request.
    nonce = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
    #: An asset to start from.
    asset = forms.ModelChoiceField(
        queryset=Asset.objects.none(), required=False, widget=forms.HiddenInput
    )

    #: An earlier job whose source images are used again.
    inputs_of = forms.ModelChoiceField(
        queryset=Job.objects.none(), required=False, widget=forms.HiddenInput
    )

    def __init__(
        self,
        data: Any,
        *,
        actor: Person,
        version: TemplateVersion | None,
        values: Mapping[str, str],
        files: Any = None,
        asset: str = "",
        recipe: Recipe | None = None,
    ) -> None:
        slug = version.template.slug if version else ""
        #: Whether the submitted data belongs to the template that is shown.
        self.is_for_this_template = data is not None and data.get("shown_template", "") == slug
        super().__init__(
            data if self.is_for_this_template else None,
            files if self.is_for_this_template else None,
            initial={"template": slug, "nonce": secrets.token_urlsafe(12), "asset": asset},
        )
        self._choice("inputs_of").queryset = Job.objects.filter(requester=actor.user)
        self._choice("asset").queryset = chooser.usable_assets(actor)
        self.version = version
        self._choice("template").queryset = PromptTemplate.objects.filter(
            is_archived=False, current__isnull=False
        ).order_by("name")
        self.variables: tuple[Variable, ...] = ()
        if version is None:
            self.fields["prompt"] = forms.CharField(
                label=_("Prompt"),
                max_length=MAX_PROMPT_CHARS,
                widget=forms.Textarea(attrs={"rows": 5, "dir": "auto"}),
                help_text=_("Describe what the image should show."),
                initial=values.get("prompt", ""),
            )
        else:
            self.variables = prompts.variables_from(version.variables)
            for variable in self.variables:
                self.fields[f"v_{variable.name}"] = _field(variable, values.get(variable.name, ""))
        self._add_choices(actor, version)
        if recipe is not None:
            self._fill_in(recipe)
        if asset:
            self._start_from_picture()

    def _fill_in(self, recipe: Recipe) -> None:
        """Offer the values of an earlier job."""
        model = self._choice("image_model")
        if model.queryset.filter(pk=recipe.image_model_id).exists():
            model.initial = recipe.image_model_id
        self._offer("size", recipe.size, _("As before"))
        self._offer("count", str(recipe.count), str(recipe.count))
        self.fields["seed"].initial = recipe.seed
        self.fields["negative"].initial = recipe.negative_prompt
        self.fields["inputs_of"].initial = recipe.inputs_of.pk if recipe.inputs_of else ""

    def _start_from_picture(self) -> None:
        """Keep the proportions of the picture that is changed."""
        self._choice("size").initial = SIZE_OF_SOURCE
        self.fields["inputs_of"].initial = ""

    def _offer(self, name: str, value: str, label: str) -> None:
        field = self._choice(name)
        if value not in dict(field.choices):
            field.choices = [(value, label), *field.choices]
        field.initial = value

    def _choice(self, name: str) -> Any:
        return self.fields[name]

    def _add_choices(self, actor: Person, version: TemplateVersion | None) -> None:
        granted = access.granted_models(actor)
        fixed = version.image_model_id if version else None
        self.fields["image_model"] = forms.ModelChoiceField(
            queryset=ImageModel.objects.filter(
                pk__in=[m.pk for m in granted if fixed in (None, m.pk)]
            ).order_by("name"),
            label=_("Image model"),
            empty_label=None,
            initial=granted[0].pk if granted else None,
        )
        size = f"{version.width}x{version.height}" if version else SIZES[0][0]
        known = [value for value, _label in SIZES]
        sizes = SIZES if size in known else [(size, _("As set in the template")), *SIZES]
        sizes = [*sizes, (SIZE_OF_SOURCE, _("As the source image"))]
        self.fields["size"] = forms.ChoiceField(
            label=_("Size"), choices=sizes, initial=size, widget=forms.RadioSelect
        )
        self.fields["count"] = forms.ChoiceField(
            label=_("Variations"),
            choices=COUNTS,
            initial=str(DEFAULT_COUNT),
            widget=forms.RadioSelect,
        )
        self.fields["seed"] = forms.IntegerField(
            label=_("Seed"),
            required=False,
            min_value=0,
            help_text=_(
                "The same seed and settings give the same image. Leave empty for a new image each "
                "time."
            ),
        )
        self.fields["negative"] = forms.CharField(
            label=_("Negative prompt (what to leave out)"), required=False, max_length=1000
        )
        self.fields["starts"] = SourceImagesField(
            label=_("Source images"),
            required=False,
            help_text=_(
                "%(formats)s; at most %(most)s MB each. They are edited as the prompt says."
            )
            % {
                "formats": ", ".join(input_formats()),
                "most": MAX_INPUT_BYTES // _MEGABYTE,
            },
            widget=_SeveralFiles(
                attrs={
                    "accept": ",".join(input_formats().values()),
                    "data-most-bytes": MAX_INPUT_BYTES,
                    "data-too-large": _(
                        "“%(name)s” is too large: at most %(most)s MB are accepted."
                    )
                    % {"name": "{name}", "most": MAX_INPUT_BYTES // _MEGABYTE},
                }
            ),
        )

    @property
    def variable_fields(self) -> list[Any]:
        """The fields of the variables, or the free prompt."""
        if self.version is None:
            return [self["prompt"]]
        return [self[f"v_{variable.name}"] for variable in self.variables]

    @property
    def source_asset(self) -> Asset | None:
        """The asset to edit, if one was chosen."""
        value = self["asset"].value()
        try:
            found: Asset | None = self._choice("asset").clean(value)
        except ValidationError:
            return None
        return found

    @property
    def source_job(self) -> Job | None:
        """The earlier job whose source images are used again, if there is one."""
        try:
            found: Job | None = self._choice("inputs_of").clean(self["inputs_of"].value())
        except ValidationError:
            return None
        return found

    def job_request(self, actor: Person) -> JobRequest:
        """Return the job request of a valid form; a page submitted twice creates one request.

        :raises InvalidJobRequest: if a value is not valid.
        """
        job_request = self._compose(actor, self.cleaned_data)
        return creation.with_form_key(job_request, page=self.cleaned_data.get("nonce", ""))

    def draft_job_request(self, actor: Person) -> JobRequest:
        """Return the job request for the current values of a form that may be unfinished.

        :raises InvalidJobRequest: if a value is missing or not valid.
        """
        if self.is_bound:
            self.is_valid()
            return self._compose(actor, getattr(self, "cleaned_data", {}))
        initial = {name: self.get_initial_for_field(f, name) for name, f in self.fields.items()}
        initial["image_model"] = ImageModel.objects.filter(pk=initial["image_model"]).first()
        initial["asset"] = self.source_asset
        initial["inputs_of"] = self.source_job
        return self._compose(actor, initial)

    def _compose(self, actor: Person, data: Mapping[str, Any]) -> JobRequest:
        starts = _starts(data.get("asset"), data.get("starts") or ())
        earlier: Job | None = data.get("inputs_of")
        if earlier is not None:
            starts = [*from_job.input_sources(earlier), *starts]
        job_request = composition.compose(
            actor=actor,
            template=self.version,
            variables={v.name: data.get(f"v_{v.name}", "") for v in self.variables},
            prompt=str(data.get("prompt") or ""),
            negative_prompt=str(data.get("negative") or ""),
            model=data.get("image_model"),
            size=str(data.get("size") or ""),
            count=int(data.get("count") or DEFAULT_COUNT),
            seed=data.get("seed"),
            operation=(earlier.operation if earlier else Operation.EDIT) if starts else "",
            inputs=starts,
        )
        return job_request if earlier is None else from_job.as_received(job_request, earlier)


def _starts(asset: Asset | None, files: Sequence[Any]) -> list[InputSource]:
    found = [] if asset is None else [InputSource(asset=asset)]
    for file in files:
        file.seek(0)
        found.append(InputSource(data=file.read(MAX_INPUT_BYTES + 1)))
    return found


def _field(variable: Variable, value: str) -> forms.Field:
    """Return the form field of a variable; its full rules are checked when the prompt is rendered."""
    initial: Any = value or variable.default
    options: dict[str, Any] = {
        "label": variable.label,
        "help_text": variable.help,
        "required": variable.required and not variable.default,
        "initial": initial,
    }
    if variable.kind is VariableKind.CHOICE:
        empty = [] if variable.required else [("", _("– none –"))]  # noqa: RUF001 - dashes for people
        return forms.ChoiceField(choices=[*empty, *((c, c) for c in variable.choices)], **options)
    if variable.kind is VariableKind.SWITCH:
        return forms.BooleanField(
            **options | {"required": False, "initial": initial in {"1", "true", "yes", "on"}}
        )
    if variable.kind is VariableKind.NUMBER:
        return forms.DecimalField(min_value=variable.minimum, max_value=variable.maximum, **options)
    # The text may be written in the other direction than the page.
    widget = forms.TextInput(attrs={"dir": "auto"})
    return forms.CharField(max_length=variable.max_chars, widget=widget, **options)
