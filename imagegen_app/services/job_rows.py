"""Turn a wish that was authorised, priced and screened into a job's row, and tell the log of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from imagegen_app import conf
from imagegen_app.core.actors import Person
from imagegen_app.core.states import JobState
from imagegen_app.models import Job
from imagegen_app.services import moderation

if TYPE_CHECKING:
    from datetime import datetime

    from imagegen_app.core.actors import Actor
    from imagegen_app.services import prices
    from imagegen_app.services.wishes import Wish

#: Who waits for an image goes before work that nobody watches.
INTERACTIVE_PRIORITY = 10
BATCH_PRIORITY = 0


def priority_of(wish: Wish) -> int:
    """Return how urgent the job of a wish is; higher goes first."""
    return BATCH_PRIORITY if wish.batch else INTERACTIVE_PRIORITY


def facts(wish: Wish, *, job: Job, rule: str) -> dict[str, object]:
    """Return what the log keeps of a request."""
    version = wish.template_version
    return {
        "operation": wish.request.operation,
        "model": wish.image_model.slug,
        "model_version": wish.image_model.version,
        "provider": wish.image_model.provider.slug,
        "count": wish.request.count,
        "size": str(wish.request.size),
        "seed": job.seed,
        "template": "" if version is None else str(version.template.slug),
        "template_version": None if version is None else version.number,
        "rule": rule,
        "estimated_cost": job.estimated_cost,
        "currency": job.currency,
    }


def build(
    actor: Actor,
    wish: Wish,
    *,
    digest: str,
    fingerprint: str,
    estimate: prices.Estimate,
    now: datetime,
    turn: int,
    screened: list[moderation.Screened],
    blocked: bool,
    earlier: Job | None,
) -> Job:
    """Return the job of a wish that was authorised, priced and screened; it is not stored."""
    request = wish.request
    state = JobState.QUEUED
    ended: dict[str, object] = {}
    screening_cost = moderation.cost_of(screened)
    if blocked:
        state = JobState.BLOCKED
        ended = {
            "finished_at": now,
            "actual_cost": screening_cost,
            "error_code": "content_blocked",
            "error_message": "The content check blocked the request.",
            "error_remedy": "Change the prompt or the input image, then try again.",
        }
    elif earlier is not None:
        state = JobState.SUCCEEDED
        ended = {"finished_at": now, "actual_cost": screening_cost}
    return Job(
        state=state.value,
        operation=request.operation.value,
        image_model=wish.image_model,
        template_version=wish.template_version,
        batch=wish.batch,
        row_key=wish.row_key,
        replaces=wish.replaces,
        requester=actor.account if isinstance(actor, Person) else None,
        actor_kind=actor.kind,
        actor_id=actor.id,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        variables=dict(wish.variables),
        width=request.size.width,
        height=request.size.height,
        count=request.count,
        seed=request.seed,
        quality=request.quality,
        output_format=request.output_format,
        background=request.background,
        parameters={k: str(v) for k, v in request.parameters.items()},
        fingerprint=fingerprint,
        request_digest=digest,
        idempotency_key=wish.idempotency_key or None,
        cached_from=earlier,
        step_count=1 if earlier is None else earlier.step_count,
        policy=wish.policy,
        due_at=None if ended else now,
        deadline_at=now + timedelta(seconds=conf.get().job_deadline_seconds),
        estimated_cost=estimate.total.amount,
        extras_estimate=estimate.extras,
        screening_cost=screening_cost,
        currency=estimate.images.currency,
        priority=priority_of(wish),
        turn=turn,
        **ended,
    )
