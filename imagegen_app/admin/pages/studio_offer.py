"""What the studio promises for the form's current values: price, time and words, or what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagegen_app.admin.pages import kit_choice, model_list
from imagegen_app.admin.pages.studio_starts import setup_url
from imagegen_app.services.job_requests import request_sets
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.monitoring import progress
from imagegen_app.services.policy import free_allowances
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from imagegen_app.admin.pages.studio_form import StudioForm
    from imagegen_app.core.actors import Person
    from imagegen_app.services.job_requests.values import JobRequest


def offer_context(actor: Person, form: StudioForm) -> dict[str, Any]:
    """Return the offer for the form's current values, or why there is none yet."""
    none: dict[str, Any] = {
        "hindrance": None,
        "spans": (),
        "kit_words": "",
        "kit_sentence": "",
        "setup_url": "",
        "is_touched": form.is_bound,
        "is_unfinished": False,
        "models": (),
    }
    try:
        asked = form.draft_set(actor)
        job_request = asked.requests[0]
        none["models"] = model_list.model_rows(actor, form, job_request)
        offered = request_sets.offer_set(actor=actor, planned=asked)
        offer = offered.offers[0]
    except ActionRefused as refusal:
        return {
            **none,
            "models": none["models"] or _unworded_models(actor, form),
            "hindrance": refusal,
            "setup_url": setup_url(actor, form),
            # What is not there yet is no fault: the form says what comes next.
            "is_unfinished": isinstance(refusal, InvalidJobRequest) and form.options is not None,
        }
    if offered.refusal is not None:
        return {**none, "hindrance": offered.refusal, "job_request": job_request}
    return {
        **none,
        "job_request": job_request,
        "spans": _spans(job_request),
        **kit_choice.added_by_kit(job_request),
        "prompt_limit": form.options.capabilities.max_prompt_chars if form.options else 0,
        "prompt_chars": len(job_request.provider_request.prompt),
        "offer": offer,
        "cost": offered.cost,
        "image_count": asked.image_count,
        "job_count": len(asked.requests),
        "is_cached": all(one.is_cached for one in offered.offers),
        "free": free_allowances.allowance_sentence(
            job_request.image_model, images=asked.image_count
        ),
        "seconds": progress.typical_seconds(job_request.image_model.pk),
    }


def _unworded_models(actor: Person, form: StudioForm) -> list[model_list.ModelRow]:
    """Return the models with their prices, though the prompt may not be written yet."""
    if form.options is None:
        return []
    try:
        job_request = form.draft_set(actor, words="…").requests[0]
    except ActionRefused:
        return model_list.model_rows(actor, form, None)
    return model_list.model_rows(actor, form, job_request)


def _spans(job_request: JobRequest) -> list[tuple[str, str]]:
    """Split the prompt into (text, variable name or "") to mark variables; without the kit's words."""
    words = job_request.brand_kit.words if job_request.brand_kit else ""
    if job_request.rendered is None:
        return [(job_request.provider_request.prompt.removesuffix(words), "")]
    parts, at = [], 0
    for start, end, name in job_request.rendered.spans:
        parts += [
            (job_request.rendered.text[at:start], ""),
            (job_request.rendered.text[start:end], name),
        ]
        at = end
    return [*parts, (job_request.rendered.text[at:].removesuffix(words), "")]
