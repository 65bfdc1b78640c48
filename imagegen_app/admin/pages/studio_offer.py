"""What the studio promises for the form's current values: price, time and words, or what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagegen_app.admin.pages import model_list
from imagegen_app.admin.pages.studio_starts import setup_url
from imagegen_app.services.job_requests import creation
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
        "setup_url": "",
        "is_touched": form.is_bound,
        "is_unfinished": False,
        "models": (),
    }
    job_request: JobRequest | None = None
    try:
        job_request = form.draft_job_request(actor)
        none["models"] = model_list.model_rows(actor, form, job_request)
        offer = creation.offer(actor=actor, job_request=job_request)
    except ActionRefused as refusal:
        return {
            **none,
            "models": none["models"] or _unworded_models(actor, form),
            "hindrance": refusal,
            "setup_url": setup_url(actor, form),
            # What is not there yet is no fault: the form says what comes next.
            "is_unfinished": isinstance(refusal, InvalidJobRequest) and form.options is not None,
        }
    if not offer.is_possible:
        return {**none, "hindrance": offer.refusal, "job_request": job_request}
    return {
        **none,
        "job_request": job_request,
        "spans": _spans(job_request),
        "prompt_limit": form.options.capabilities.max_prompt_chars if form.options else 0,
        "prompt_chars": len(job_request.provider_request.prompt),
        "offer": offer,
        "free": free_allowances.allowance_sentence(
            job_request.image_model, images=job_request.provider_request.count
        ),
        "seconds": progress.typical_seconds(job_request.image_model.pk),
    }


def _unworded_models(actor: Person, form: StudioForm) -> list[model_list.ModelRow]:
    """Return the models with their prices, though the prompt may not be written yet."""
    if form.options is None:
        return []
    try:
        job_request = form.draft_job_request(actor, words="…")
    except ActionRefused:
        return model_list.model_rows(actor, form, None)
    return model_list.model_rows(actor, form, job_request)


def _spans(job_request: JobRequest) -> list[tuple[str, str]]:
    """Split the rendered prompt into (text, variable name or "") to mark the variables."""
    if job_request.rendered is None:
        return [(job_request.provider_request.prompt, "")]
    parts, at = [], 0
    for start, end, name in job_request.rendered.spans:
        parts += [
            (job_request.rendered.text[at:start], ""),
            (job_request.rendered.text[start:end], name),
        ]
        at = end
    return [*parts, (job_request.rendered.text[at:], "")]
