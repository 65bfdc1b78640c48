"""Read and check the content of prompt templates before it is stored: the draft of a version."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from imagegen_app.core import passes, prompts, shots, template_lint
from imagegen_app.core.capabilities import ANY_SIZE
from imagegen_app.core.limits import MAX_ALT_CHARS
from imagegen_app.core.types import GenerationRequest, Lora, Operation, Size, texts_in
from imagegen_app.models import BrandKit, ImageModel, TemplateVersion
from imagegen_app.providers.parameters import (
    input_count_errors,
    parse_parameters,
    validation_errors,
)
from imagegen_app.services.gateways import adapters
from imagegen_app.services.job_requests import kit_checks, pass_planning
from imagegen_app.services.job_requests._sizes import resolve_size, template_size
from imagegen_app.services.job_requests.fixed_guides import (
    FixedGuide,
    fixed_guides,
    require_approved_guides,
)
from imagegen_app.services.job_requests.fixed_values import fixed_loras
from imagegen_app.services.job_requests.qualities import resolve_quality
from imagegen_app.services.job_requests.values import (
    InvalidJobRequest,
    InvalidPass,
    complaint_reason,
    describe_complaint,
)
from imagegen_app.services.policy.model_catalog import InvalidRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.capabilities import Capabilities
    from imagegen_app.core.shots import Shot

#: The fields of a version whose values a model may not have, by the part that is complained of.
_FIELDS = {
    "operation": "operation",
    "size": "width",
    "count": "count",
    "quality": "quality",
    "negative_prompt": "negative",
    "seed": "seed_strategy",
    "loras": "loras",
    "control_images": "guides",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """The content of a template version that is not stored yet."""

    body: str
    negative: str = ""
    variables: Sequence[dict[str, Any]] = field(default_factory=list)
    operation: Operation = Operation.GENERATE
    image_model: ImageModel | None = None
    #: None for the model's own.
    size: Size | None = None
    count: int = 1
    quality: str = ""
    seed_strategy: str = "random"
    seed: int | None = None
    #: The follow-up passes of each image, in order.
    passes: Sequence[passes.Pass] = ()
    #: The model's own parameters that each job has; they may be given as text.
    parameters: Mapping[str, Any] = field(default_factory=dict)
    #: The LoRA that each job has.
    loras: Sequence[Lora] = ()
    #: The control images that each job has.
    guides: Sequence[FixedGuide] = ()
    #: Describes the images to people who cannot see them, with the template's variables.
    alt_pattern: str = ""
    #: What it inherits; None for nothing.
    brand_kit: BrandKit | None = None
    #: The pictures that are made of each object, in their order.
    shots: Sequence[Shot] = ()
    note: str = ""


def check(draft: Draft) -> tuple[prompts.Variable, ...]:
    """Validate a draft and return its variables.

    :raises InvalidRecord: if it is not valid; `field` names the part.
    """
    try:
        variables = prompts.variables_from(draft.variables)
        every = shots.variables_with_shot(variables, draft.shots)
        prompts.check_template(draft.body, every)
        prompts.check_template(draft.negative, every)
    except prompts.PromptTemplateError as error:
        raise InvalidRecord(
            _(error.message) % error.values, field="variables" if error.variable else "body"
        ) from None
    try:
        prompts.check_template(draft.alt_pattern, every)
    except prompts.PromptTemplateError as error:
        raise InvalidRecord(_(error.message) % error.values, field="alt_pattern") from None
    try:
        # Once more as they would be stored, since code may hand in any.
        shots.shots_from([one.as_dict() for one in draft.shots])
        shots.check_shots(draft.shots, variables, operation=draft.operation)
    except prompts.PromptTemplateError as error:
        raise InvalidRecord(shot_sentence(error, draft.shots), field="shots") from None
    if len(draft.alt_pattern) > MAX_ALT_CHARS:
        reason = _("At most %(most)s characters.") % {"most": MAX_ALT_CHARS}
        raise InvalidRecord(reason, field="alt_pattern")
    if not draft.body.strip():
        raise InvalidRecord(_("The prompt is empty."), field="body")
    if draft.seed_strategy == "fixed" and draft.seed is None:
        raise InvalidRecord(_("A fixed seed needs a number."), field="seed")
    size = template_size(draft.size, ANY_SIZE)
    if draft.image_model is not None:
        _require_short(draft, variables, draft.image_model)
        size = _require_supported(draft, draft.image_model)
    elif draft.parameters or draft.loras or draft.guides:
        raise InvalidRecord(
            _(
                "Parameters, LoRA and guides can be fixed for one model only: choose the image model."
            ),
            field="image_model",
        )
    require_approved_guides(draft.guides)
    kit_checks.check_kit(draft)
    try:
        pass_planning.plan_passes(draft.passes, start=size)
    except InvalidPass as error:
        raise InvalidRecord(error.reason, field="passes") from None
    return variables


def shot_sentence(error: prompts.PromptTemplateError, given: Sequence[Shot]) -> str:
    """Return what is wrong with a shot, after its name where the text is that of a template."""
    sentence = capfirst(_(error.message) % error.values)
    key = error.shot if error.line and isinstance(error, shots.ShotError) else ""
    label = next((one.label for one in given if one.key == key), "")
    return f"{label}: {sentence}" if label else f"{sentence}."


def _require_short(
    draft: Draft, variables: Sequence[prompts.Variable], image_model: ImageModel
) -> None:
    """Require that the prompt can be short enough for the model of a draft.

    :raises InvalidRecord: if it cannot, whatever the values are.
    """
    most = adapters.capabilities(image_model).max_prompt_chars
    found = template_lint.length_problems(
        draft.body, variables, most=most, model=image_model.name, shots=draft.shots
    )
    for one in found:
        if one.severity is template_lint.Severity.ERROR:
            raise InvalidRecord(_(one.message.text) % one.message.values, field="body")


def _require_supported(draft: Draft, image_model: ImageModel) -> Size:
    """Require that the model of a draft has all that the draft fixes, and return the size of its images.

    :raises InvalidRecord: with the first part that it does not have.
    """
    capabilities = adapters.capabilities(image_model)
    try:
        stated = template_size(draft.size, capabilities.sizes_for(draft.operation))
    except InvalidJobRequest as error:
        raise InvalidRecord(f"{error.reason} {error.remedy}", field=_FIELDS["size"]) from None
    quality, size = resolve_quality(
        draft.quality,
        size=stated,
        is_size_in_pixels=False,
        operation=draft.operation,
        capabilities=capabilities,
    )
    request = GenerationRequest(
        operation=draft.operation,
        model=image_model.provider_model_name,
        prompt="",
        size=size,
        count=draft.count,
        negative_prompt=draft.negative,
        seed=None if draft.seed_strategy == "random" else draft.seed or 0,
        quality=quality,
        output_format=capabilities.usual_format,
        parameters=typed_parameters(draft),
        loras=tuple(draft.loras),
        inputs=tuple(one.stand_in for one in draft.guides),
    )
    _require_shot_sizes(draft, request, image_model, capabilities)
    complaints = [
        *validation_errors(request, capabilities=capabilities),
        # These may be too many without those of the requests.
        *input_count_errors([one.role for one in request.inputs], capabilities=capabilities),
    ]
    for complaint in complaints:
        # Other input images come with each request.
        if complaint.part in _FIELDS:
            raise InvalidRecord(complaint_reason(complaint), field=_FIELDS[complaint.part])
        if complaint.part in draft.parameters:
            reason = describe_complaint(image_model, complaint)
            raise InvalidRecord(reason, field="parameters")
    return stated


def _require_shot_sizes(
    draft: Draft, request: GenerationRequest, image_model: ImageModel, capabilities: Capabilities
) -> None:
    """Require that the model of a draft has the sizes that its shots state.

    :raises InvalidRecord: with the first one that it does not have.
    """
    rule = capabilities.sizes_for(draft.operation)
    for one in draft.shots:
        if not one.size:
            continue
        try:
            size = resolve_size(
                one.size, version=None, operation=draft.operation, pictures=(), rule=rule
            )
        except InvalidJobRequest as error:
            reason = f"{one.label}: {error.reason} {error.remedy}".strip()
            raise InvalidRecord(reason, field="shots") from None
        for complaint in validation_errors(replace(request, size=size), capabilities=capabilities):
            if complaint.part == "size":
                reason = describe_complaint(image_model, complaint)
                raise InvalidRecord(f"{one.label}: {reason}", field="shots")


def typed_parameters(draft: Draft) -> dict[str, Any]:
    """Return the fixed parameters with the types that the model declares."""
    if draft.image_model is None or not draft.parameters:
        return dict(draft.parameters)
    capabilities = adapters.capabilities(draft.image_model)
    return parse_parameters(draft.parameters, capabilities=capabilities)


def draft_of(version: TemplateVersion) -> Draft:
    """Return a version's content as a draft."""
    return Draft(
        body=version.body,
        negative=version.negative,
        variables=list(version.variables),
        operation=Operation(version.operation),
        image_model=version.image_model,
        size=version.size,
        count=version.count,
        quality=version.quality,
        seed_strategy=version.seed_strategy,
        seed=version.seed,
        passes=passes.passes_from(version.passes),
        parameters=dict(version.parameters),
        loras=fixed_loras(version),
        guides=fixed_guides(version),
        alt_pattern=version.alt_pattern,
        brand_kit=version.brand_kit,
        shots=shots.shots_from(version.shots),
        note=version.note,
    )


def worded_parts(draft: Draft) -> dict[str, Any]:
    """Return what a version says in words to a model."""
    texts = {"body": draft.body, "negative": draft.negative}
    further = {
        "instructions": [one.instruction for one in draft.passes if one.instruction],
        "parameters": list(texts_in(dict(draft.parameters))),
        "alt_pattern": draft.alt_pattern.strip(),
        "shots": [one.text for one in draft.shots],
    }
    return texts | {name: found for name, found in further.items() if found}


def is_same(one: Draft, other: Draft) -> bool:
    """Return whether two drafts have the same content; the note does not count."""
    return _content(one) == _content(other)


def _content(draft: Draft) -> tuple[Any, ...]:
    variables = [v.as_dict() for v in prompts.variables_from(draft.variables)]
    model = None if draft.image_model is None else draft.image_model.pk
    kit = None if draft.brand_kit is None else draft.brand_kit.pk
    rest = (draft.operation, model, draft.size, draft.count, draft.quality, kit)
    # Browsers send form text with CRLF line ends.
    texts = [
        text.replace("\r\n", "\n").strip()
        for text in (draft.body, draft.negative, draft.alt_pattern)
    ]
    fixed = (dict(draft.parameters), list(draft.loras), list(draft.guides), tuple(draft.shots))
    return (texts, variables, rest, draft.seed_strategy, draft.seed, tuple(draft.passes), fixed)
