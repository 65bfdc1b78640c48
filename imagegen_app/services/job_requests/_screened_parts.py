"""Have the parts of a request screened, and say what follows from the verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.services.foundation import stored_messages
from imagegen_app.services.gateways import screening
from imagegen_app.services.policy import closed_content
from imagegen_app.services.policy.access import contact_sentence

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Job
    from imagegen_app.services.job_requests._rows import CheckedRequest
    from imagegen_app.services.job_requests.values import JobRequest


def screen_request(job_request: JobRequest) -> list[screening.UnsavedVerdict]:
    """Return the screeners' verdicts on a job request's texts and input images.

    :raises ClosedForGood: if an input image was found in a hard category before; nothing is sent.
    """
    closed_content.require_open_images([i.sha256 for i in job_request.provider_request.inputs])
    found = [
        *screening.screen_text(job_request.instructions, part="prompt"),
        *screening.screen_text(
            job_request.provider_request.negative_prompt, part="negative_prompt"
        ),
    ]
    for number, image in enumerate(job_request.provider_request.inputs, start=1):
        found += screening.screen_image(
            image.data,
            media_type=image.media_type,
            stage="input",
            part=f"input_image:{number}",
        )
    return found


def close_inputs(actor: Actor, one: CheckedRequest, job: Job) -> None:
    """Close the assets that a request took as inputs and a screener found in a hard category."""
    origins = one.job_request.input_origins
    for verdict in one.screened:
        category = verdict.decision.hard_category
        kind, _colon, number = verdict.part.partition(":")
        if category is None or kind != "input_image":
            continue
        asset = origins[int(number) - 1].asset
        if asset is not None:
            closed_content.close_asset(actor=actor, asset=asset, category=category, job=job)


def blocked_words(job: Job) -> tuple[str, str]:
    """Return why a job was blocked, and what the requester can do."""
    blocked = job.verdicts.filter(outcome="blocked").order_by("pk")
    closed = blocked.exclude(hard_category="").first()
    verdict = closed or blocked.first()
    part = stored_messages.screened_part(verdict.part) if verdict else ""
    reason = _("“%(screener)s” blocked this part: %(part)s.") % {
        "screener": verdict.screener if verdict else "",
        "part": part,
    }
    if closed is not None:
        # Neutral: whoever wrote it may have meant something else.
        return f"{reason} {_(closed_content.CLOSED_MESSAGE)}", contact_sentence()
    return reason, f"{verdict.remedy if verdict else ''} {contact_sentence()}".strip()
