"""Compose a complete, validated job request from names, values and uploads."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app.core import kit_values, prompts
from imagegen_app.core.actors import Person
from imagegen_app.core.limits import MAX_KEY_CHARS, MAX_PROMPT_CHARS
from imagegen_app.core.types import (
    MASK_OPERATIONS,
    WORDLESS_OPERATIONS,
    GenerationRequest,
    InputRole,
    Lora,
    Operation,
    Size,
)
from imagegen_app.models import (
    BrandKit,
    BrandKitVersion,
    ImageModel,
    PromptTemplate,
    TemplateVersion,
)
from imagegen_app.providers.parameters import parse_parameters, validation_errors
from imagegen_app.services.job_requests import kit_effects, pass_planning
from imagegen_app.services.job_requests._input_images import read_input_images
from imagegen_app.services.job_requests._sizes import resolve_size
from imagegen_app.services.job_requests.fallback_requests import chosen_values
from imagegen_app.services.job_requests.fixed_guides import with_fixed_guides
from imagegen_app.services.job_requests.fixed_values import (
    with_fixed_loras,
    with_fixed_parameters,
)
from imagegen_app.services.job_requests.model_options import require_capabilities
from imagegen_app.services.job_requests.qualities import resolve_quality
from imagegen_app.services.job_requests.request_texts import texts_of_request
from imagegen_app.services.job_requests.shot_choice import chosen_shot
from imagegen_app.services.job_requests.values import (
    AppliedKit,
    InvalidJobRequest,
    InvalidPass,
    JobRequest,
    describe_complaint,
)
from imagegen_app.services.policy import access, setup_progress, template_access, use_of_assets
from imagegen_app.services.policy.access import contact_sentence, granted_models

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.actors import Actor
    from imagegen_app.core.capabilities import Capabilities
    from imagegen_app.core.passes import Pass
    from imagegen_app.models import Batch
    from imagegen_app.services.job_requests.values import InputSource, PlannedPass

#: What all providers take.
LARGEST_SEED = 2**31 - 1


def compose(
    *,
    actor: Actor,
    template: str | PromptTemplate | TemplateVersion | None = None,
    variables: Mapping[str, Any] | None = None,
    prompt: str = "",
    negative_prompt: str = "",
    model: str | ImageModel | None = None,
    operation: str | Operation = "",
    size: str | Size | None = None,
    count: int | None = None,
    seed: int | None = None,
    quality: str | None = None,
    output_format: str = "",
    background: str = "",
    parameters: Mapping[str, Any] | None = None,
    loras: Sequence[Lora] = (),
    inputs: Sequence[InputSource] = (),
    idempotency_key: str = "",
    batch: Batch | None = None,
    row_key: str = "",
    policy: str = "at_most_once",
    passes: Sequence[Mapping[str, Any] | Pass | str] | None = None,
    brand_kit: str | BrandKit | BrandKitVersion | None = None,
    shot: str = "",
) -> JobRequest:
    """Return a job request from a template and its variables, or from a free prompt.

    What is not given comes from the template or a default; what the template fixes cannot be changed. A size is given in pixels, or as
    proportions such as `16:9`. An edit without a size keeps the proportions of the first input image,
    as every request does with the size `source`. A quality is a word of the model's own, or a tier:
    `draft`, `standard` or `high`; None is the template's, and an empty text the model's own usual one.
    Parameters may be given as text, such as `28` for a whole number.
    `shot` is the short name of one of the template's shots, else its first is made.
    A brand kit adds to that what the template and the requester do not say themselves.
    `passes` are follow-up passes such as `upscale:2:model` or `edit:model:Correct the spelling`.

    :raises InvalidJobRequest: if a part is unknown, missing or not valid.
    :raises TemplateNotAllowed: if the template is for other groups.
    :raises SourceNotUsable: if the actor may not use an input asset.
    :raises StorageUnavailable: if an input asset cannot be read at present.
    :raises ImageFileMissing: if the file of an input asset is missing.
    """
    version = _version(actor, template)
    if version is not None:
        template_access.require_use(actor, version.template)
    values = {str(k): v for k, v in (variables or {}).items()}
    kit = kit_effects.resolve_kit(brand_kit, version)
    picture = chosen_shot(version, shot)
    size = size or (picture.size if picture else None)
    rendered, negative = texts_of_request(version, values, prompt, negative_prompt, shot=picture)
    words = kit_effects.with_words(kit, rendered, negative)
    image_model = _model(actor, model, version)
    resolved_operation = _operation(operation, version)
    if len(idempotency_key) > MAX_KEY_CHARS:
        raise InvalidJobRequest(_("The idempotency key is too long."), field="idempotency_key")
    if policy not in {"at_most_once", "at_least_once"}:
        raise InvalidJobRequest(_("Unknown policy."), field="policy")
    offer = require_capabilities(image_model)
    kit_effects.require_words(kit, resolved_operation, words.rendered.text, offer)
    given, inputs = inputs, with_fixed_guides(version, inputs)
    inputs = kit_effects.with_references(kit, inputs)
    _require_usable(actor, given)
    input_images, input_origins = read_input_images(
        inputs, image_model=image_model, capabilities=offer
    )
    resolved_size = resolve_size(
        size,
        version=version,
        operation=resolved_operation,
        pictures=list(zip(inputs, input_images, strict=True)),
        rule=offer.sizes_for(resolved_operation),
    )
    quality_word, resolved_size = resolve_quality(
        quality if quality is not None else (version.quality if version else ""),
        size=resolved_size,
        is_size_in_pixels=isinstance(size, Size) or (bool(size) and "x" in str(size)),
        operation=resolved_operation,
        capabilities=offer,
    )
    own_loras = with_fixed_loras(version, loras)
    own_seed = _seed(seed, version, row_key)
    request = GenerationRequest(
        operation=resolved_operation,
        model=image_model.provider_model_name,
        prompt=words.rendered.text,
        size=resolved_size,
        count=count if count is not None else (version.count if version else 1),
        negative_prompt=words.negative,
        seed=kit.seed if own_seed is None and kit is not None else own_seed,
        quality=quality_word,
        output_format=output_format or offer.usual_format,
        background=background,
        inputs=input_images,
        parameters=with_fixed_parameters(
            version, parse_parameters(parameters or {}, capabilities=offer)
        ),
        loras=kit_effects.with_loras(kit, own_loras),
    )
    applied = None
    if kit is not None:
        applied = AppliedKit(
            kit,
            words=words.added,
            negative_words=words.added_negative,
            loras=request.loras[len(own_loras) :],
            reference_count=len(kit.references),
            seed=kit.seed if own_seed is None else None,
        )
    _require_supported(image_model, request, offer, applied)
    choices = {
        "size": str(size or ""),
        **({} if quality is None else {"quality": quality}),
        "output_format": output_format,
        "background": background,
    }
    requested = (version.passes if version else []) if passes is None else passes
    return JobRequest(
        image_model=image_model,
        provider_request=request,
        template_version=version,
        brand_kit=applied,
        shot=picture.key if picture else "",
        variables={k: str(v) for k, v in values.items()},
        rendered=words.rendered,
        input_origins=input_origins,
        idempotency_key=idempotency_key,
        batch=batch,
        row_key=row_key,
        passes=_passes(requested, resolved_size, are_chosen=passes is not None),
        chosen=chosen_values(choices, version=version, size=resolved_size, quality=quality_word),
        unknown_outcome_policy=policy,
    )


def resolve_model(
    actor: Actor, model: str | ImageModel | None, version: TemplateVersion | None
) -> ImageModel:
    """Return the model of a request: the given one, the template's, or the first granted one.

    :raises InvalidJobRequest: if there is none.
    """
    return _model(actor, model, version)


def with_instruction(job_request: JobRequest, instruction: str) -> JobRequest:
    """Return a request with an instruction behind its own prompt, such as a reviewer's note.

    It is a part of the prompt like any other: it is screened and sent with it. The words of a brand kit
    stay at the end, where they are taken off again.

    :raises InvalidJobRequest: if the prompt becomes too long.
    """
    added = "".join(c for c in instruction if c in "\n\t" or c >= " ").strip()
    if not added:
        return job_request
    before, kit = job_request.provider_request, job_request.brand_kit
    style = "" if kit is None else kit.version.style_words
    text = f"{kit_values.without_style(before.prompt, style)}\n{added}"
    words = kit_values.added_style(text, style)
    text += words
    if len(text) > MAX_PROMPT_CHARS:
        raise InvalidJobRequest(
            _("With the note, the prompt has %(length)s characters; at most %(most)s are accepted.")
            % {"length": len(text), "most": MAX_PROMPT_CHARS},
            field="prompt",
            remedy=_("Shorten the note."),
        )
    request = replace(before, prompt=text)
    model = job_request.image_model
    kit = None if kit is None else replace(kit, words=words)
    _require_supported(model, request, require_capabilities(model), kit)
    spans = job_request.rendered.spans if job_request.rendered else ()
    return replace(
        job_request,
        provider_request=request,
        rendered=prompts.RenderedPrompt(text, spans),
        brand_kit=kit,
    )


def random_seed() -> int:
    """Return a random seed."""
    return secrets.randbelow(LARGEST_SEED)


def _version(
    actor: Actor, template: str | PromptTemplate | TemplateVersion | None
) -> TemplateVersion | None:
    if template is None or template == "":
        return None
    if isinstance(template, TemplateVersion):
        return template
    if isinstance(template, str):
        found = PromptTemplate.objects.filter(slug=template).select_related("current").first()
        if found is None:
            usable = template_access.usable_templates(actor)
            known = ", ".join(usable.order_by("slug").values_list("slug", flat=True)[:10])
            raise InvalidJobRequest(
                _("“%(name)s” is not a valid template.") % {"name": template[:60]},
                field="template",
                remedy=_("Available: %(known)s.") % {"known": known or _("none")},
            )
        template = found
    if template.is_archived or template.current is None:
        raise InvalidJobRequest(
            _("The template “%(name)s” is not published.") % {"name": template.name},
            field="template",
        )
    return template.current


def _model(
    actor: Actor, model: str | ImageModel | None, version: TemplateVersion | None
) -> ImageModel:
    if isinstance(model, ImageModel):
        return model
    if model:
        found = ImageModel.objects.filter(slug=model).select_related("provider", "workflow").first()
        if found is None:
            known = ", ".join(m.slug for m in granted_models(actor)) or _("none")
            raise InvalidJobRequest(
                _("“%(name)s” is not a valid model.") % {"name": model[:60]},
                field="model",
                remedy=_("You can use: %(known)s.") % {"known": known},
            )
        return found
    if version is not None and version.image_model is not None:
        return version.image_model
    granted = granted_models(actor)
    if not granted:
        missing = setup_progress.missing_step(actor)
        raise InvalidJobRequest(
            _("You have no grant for any model.") if missing is None else missing.reason,
            field="model",
            remedy=_("The page “Set up AI images” leads through the steps.")
            if access.has_permission(actor, setup_progress.PERMISSION)
            else contact_sentence(),
        )
    return granted[0]


def _operation(operation: str | Operation, version: TemplateVersion | None) -> Operation:
    wanted = operation or (version.operation if version else Operation.GENERATE)
    try:
        return Operation(str(wanted))
    except ValueError:
        raise InvalidJobRequest(
            _("“%(name)s” is not a valid operation.") % {"name": str(wanted)[:40]},
            field="operation",
            remedy=_("Available: %(known)s.") % {"known": ", ".join(Operation)},
        ) from None


def _seed(seed: int | None, version: TemplateVersion | None, row_key: str) -> int | None:
    if seed is not None:
        if not 0 <= seed <= LARGEST_SEED:
            raise InvalidJobRequest(
                _("A seed must be between 0 and %(most)s.") % {"most": LARGEST_SEED}, field="seed"
            )
        return seed
    if version is None or version.seed_strategy == "random":
        return None
    if version.seed_strategy == "per_row" and row_key:
        digest = hashlib.sha256(
            f"{version.template_id}:{version.number}:{row_key}".encode()
        ).digest()
        return int.from_bytes(digest[:4], "big") % LARGEST_SEED
    return version.seed


def _require_usable(actor: Actor, inputs: Sequence[InputSource]) -> None:
    """Require that a person may use the images of the library that they start from."""
    if isinstance(actor, Person):
        use_of_assets.require_usable(
            actor, [one.asset for one in inputs if one.asset is not None and not one.is_reused]
        )


def _passes(
    requested: Sequence[Mapping[str, Any] | Pass | str], start: Size, *, are_chosen: bool
) -> tuple[PlannedPass, ...]:
    try:
        return pass_planning.plan_passes(requested, start=start)
    except InvalidPass as error:
        # What a template says is mended by others.
        remedy = _("Change the follow-up pass, or leave it out.") if are_chosen else error.remedy
        raise InvalidJobRequest(
            error.reason, field="passes", remedy=remedy, position=error.position
        ) from None


def _require_supported(
    image_model: ImageModel,
    request: GenerationRequest,
    offer: Capabilities,
    applied: AppliedKit | None,
) -> None:
    if not request.prompt and request.operation not in WORDLESS_OPERATIONS:
        raise InvalidJobRequest(
            _("The prompt is empty."),
            field="prompt",
            remedy=_("Describe what the image should show."),
        )
    has_mask = any(one.role is InputRole.MASK for one in request.inputs)
    if request.operation in MASK_OPERATIONS and offer.supports_mask and not has_mask:
        raise InvalidJobRequest(
            _("No area is marked yet."),
            field="mask",
            remedy=_("Mark what is to be changed, or hand in a mask."),
        )
    complaint = next(validation_errors(request, capabilities=offer), None)
    if complaint is not None:
        reason = describe_complaint(image_model, complaint)
        raise kit_effects.blamed(applied, complaint, reason) or InvalidJobRequest(
            reason,
            field=complaint.part,
            remedy=_("Choose another value or another model."),
        )
