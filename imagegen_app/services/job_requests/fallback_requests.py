"""Translate a job's request for a fallback model: choices are kept, defaults are that model's own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app.core.fitted_sizes import size_like, size_with_ratio
from imagegen_app.core.quality_tiers import QualityTier
from imagegen_app.core.types import Operation, Size
from imagegen_app.services.job_requests.model_options import require_capabilities
from imagegen_app.services.job_requests.qualities import resolve_quality
from imagegen_app.services.job_requests.values import SIZE_OF_SOURCE, InvalidJobRequest
from imagegen_app.services.jobs.rebuilding import request_for_model, size_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.capabilities import Capabilities, SizeRule
    from imagegen_app.core.types import GenerationRequest
    from imagegen_app.models import ImageModel, Job, TemplateVersion
    from imagegen_app.services.job_requests.values import JobRequest


def chosen_values(
    given: Mapping[str, str], *, version: TemplateVersion | None, size: Size, quality: str
) -> dict[str, str]:
    """Return what was chosen, by the requester (`given`) or by the template; see `Job.chosen`.

    `size` and `quality` are what became of it. Where the quality is told by the resolution, only
    the proportions of the size were chosen.
    """
    chosen = {name: value for name, value in given.items() if value}
    if version is not None:
        if version.size is not None:
            chosen.setdefault("size", str(version.size))
        if "quality" not in given and version.quality:
            chosen["quality"] = version.quality
    if chosen.get("quality") in set(QualityTier) and not quality and "x" in chosen.get("size", ""):
        chosen["size"] = f"{size.width}:{size.height}"
    return chosen


def request_for_fallback(job: Job, image_model: ImageModel) -> GenerationRequest:
    """Return what a job asks of a fallback model.

    What somebody chose stays as it is, in the model's own words; the caller checks whether it has
    that. File format, size and quality that nobody chose become what the model has.

    :raises InvalidJobRequest: if the model does not have what was chosen, or cannot be called.
    """
    offer = require_capabilities(image_model)
    size, quality = _size_and_quality(
        job.chosen,
        operation=Operation(job.operation),
        size=size_of(job),
        quality=str(job.quality),
        # The sizes of follow-up passes were planned from this one.
        is_fixed=job.chain_length > 1 or job.root_id is not None,
        own=job.image_model,
        offer=offer,
    )
    output_format = str(job.output_format)
    if "output_format" not in job.chosen and output_format not in offer.output_formats:
        output_format = offer.usual_format
    request = request_for_model(job, image_model)
    return replace(request, size=size, quality=quality, output_format=output_format)


def adapted_values(job: Job, request: GenerationRequest) -> dict[str, str | int]:
    """Return the columns of a job that a request for another model changes."""
    columns: dict[str, str | int] = {
        "width": request.size.width,
        "height": request.size.height,
        "quality": request.quality,
        "output_format": request.output_format,
    }
    return {name: value for name, value in columns.items() if value != getattr(job, name)}


def request_with_model(job_request: JobRequest, image_model: ImageModel) -> JobRequest:
    """Return a request that nothing was made of yet, for another model that was asked for instead.

    What somebody chose stays as it is where the model has it at all; a seed, a negative prompt, LoRA
    and a model's own parameters that it does not take are left out.

    :raises InvalidJobRequest: if the model does not have what was chosen, or cannot be called.
    """
    request = job_request.provider_request
    if image_model.pk == job_request.image_model.pk:
        return job_request
    offer = require_capabilities(image_model)
    size, quality = _size_and_quality(
        job_request.chosen,
        operation=request.operation,
        size=request.size,
        quality=request.quality,
        is_fixed=bool(job_request.passes),
        own=job_request.image_model,
        offer=offer,
    )
    is_word = quality == request.quality and quality not in offer.qualities
    known = offer.parameters
    return replace(
        job_request,
        image_model=image_model,
        provider_request=replace(
            request,
            model=image_model.provider_model_name,
            size=size,
            # A word of the other model's own.
            quality="" if is_word and job_request.chosen.get("quality") != quality else quality,
            output_format=request.output_format
            if request.output_format in offer.output_formats
            else offer.usual_format,
            background=request.background if request.background in offer.backgrounds else "",
            seed=request.seed if offer.supports_seed else None,
            negative_prompt=request.negative_prompt if offer.supports_negative_prompt else "",
            loras=request.loras[: offer.max_loras],
            parameters={
                name: value
                for name, value in request.parameters.items()
                if name in known and known[name].error_for(value) is None
            },
        ),
    )


def _size_and_quality(
    choices: Mapping[str, Any],
    *,
    operation: Operation,
    size: Size,
    quality: str,
    is_fixed: bool,
    own: ImageModel,
    offer: Capabilities,
) -> tuple[Size, str]:
    chosen, tier = str(choices.get("size", "")), str(choices.get("quality", ""))
    is_fixed = is_fixed or "x" in chosen
    _require_size(own, operation, chosen, offer.sizes_for(operation))
    if not is_fixed:
        size = _fitted(size, chosen, offer.sizes_for(operation))
    if tier not in set(QualityTier):
        return size, quality
    word, size = resolve_quality(
        tier, size=size, is_size_in_pixels=is_fixed, operation=operation, capabilities=offer
    )
    return size, word


def _require_size(own: ImageModel, operation: Operation, chosen: str, rule: SizeRule) -> None:
    """Refuse a model that takes no size, where the request's own model makes the chosen one."""
    if not chosen or chosen == SIZE_OF_SOURCE or rule.is_choosable:
        return
    if require_capabilities(own).sizes_for(operation).is_choosable:
        raise InvalidJobRequest(
            _("This model takes no size for this operation: it decides it itself."), field="size"
        )


def _fitted(size: Size, chosen: str, rule: SizeRule) -> Size:
    """Return the model's size for that of the job, of which at most the proportions were chosen."""
    if not rule.is_choosable or rule.error_for(size) is None:
        return size
    if not chosen or chosen == SIZE_OF_SOURCE:
        return size_like(size, rule)
    found = size_with_ratio(size.width / size.height, rule)
    if found is None:
        raise InvalidJobRequest(
            _("This model has no size of the proportions %(ratio)s.") % {"ratio": chosen[:20]},
            field="size",
        )
    return found
