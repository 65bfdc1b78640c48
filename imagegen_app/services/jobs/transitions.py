"""Change the states of jobs and attempts: one named function for each transition.

Transitions into and out of `uncertain` are in `unknown_outcomes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagegen_app.core.failpoints import failpoint
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.pricing import ESTIMATE, CostOrigin
from imagegen_app.core.states import AttemptState, JobState
from imagegen_app.models import Attempt, Job
from imagegen_app.services.foundation import clock, db_session, event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import provider_facts, spool
from imagegen_app.services.jobs import breaker, leases, pass_chain, provider_limits
from imagegen_app.services.jobs.state_machine import (
    WORKER_ACTOR,
    close_unbilled,
    move_to_ingest,
    require_lease,
    settle_attempt,
    store_verdicts,
    transition,
    transition_attempt,
)
from imagegen_app.services.policy import budgets, free_allowances

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from imagegen_app.core.actors import Actor
    from imagegen_app.core.errors import ProviderError
    from imagegen_app.core.types import Cost
    from imagegen_app.models import ImageModel
    from imagegen_app.services.gateways.screening import UnsavedVerdict


@use_case()
def start_attempt(job: Job, *, digest: str) -> Attempt:
    """Start a queued job: create its attempt, with an idempotency key; nothing is sent yet.

    :raises LeaseLost: if the lease was lost.
    :raises CallDeferred: if its provider is too busy or broken for another call; the job stays queued.
    """
    # Nothing was sent yet; the commit of `mark_sent` is flushed, and this one with it.
    db_session.use_asynchronous_commit()
    breaker.require_closed(job)
    provider_limits.acquire(job.image_model.provider)
    # Only a job that was started before has attempts.
    earlier = list(job.attempts.values_list("error_code", flat=True)) if job.started_at else []
    started = job.started_at or clock.now()
    # The progress of an earlier call is none of this one's.
    transition(job, JobState.SUBMITTING, started_at=started, tries=job.tries + 1, progress=None)
    attempt = Attempt.objects.create(
        job=job,
        live_job=job,
        image_model=job.image_model,
        workflow_id=job.image_model.workflow_id,
        number=len(earlier) + 1,
        request_digest=digest,
        reserved_cost=job.estimated_cost - job.estimated_extras,
        is_resent_at_risk="outcome_unknown" in earlier,
    )
    event_log.record(
        WORKER_ACTOR,
        "job.attempt_started",
        subject=job,
        job=job,
        data={"attempt": attempt.pk, "number": attempt.number},
    )
    return attempt


@use_case()
def mark_sent(job: Job, attempt: Attempt) -> None:
    """Record, in a transaction of its own before the first byte, that the call is sent.

    :raises LeaseLost: if the lease was lost.
    """
    require_lease(job)
    transition_attempt(attempt, AttemptState.SENT, sent_at=clock.now())
    record_sending(job, attempt)


#: What to do about a job that ended although its error would allow another try.
TRIED_IN_VAIN = gettext_noop("Request it again later, or choose another model.")


def record_sending(job: Job, attempt: Attempt, **more: Any) -> None:
    """Record that a call goes out to the provider; joins the caller's transaction."""
    event_log.record(
        WORKER_ACTOR,
        "job.submitted",
        subject=job,
        job=job,
        data={
            "attempt": attempt.pk,
            "provider": job.image_model.provider.slug,
            "model": job.image_model.slug,
            "data_handling": provider_facts.recorded_facts(
                job.image_model.provider, job.image_model
            ),
            **more,
        },
    )


@use_case()
def mark_accepted(
    job: Job,
    attempt: Attempt,
    *,
    ref: str,
    request_id: str,
    poll_after: float,
    progress: float | None = None,
) -> None:
    """Record that the provider accepted the call; poll it in `poll_after` seconds.

    Without a `ref` the one stays that a webhook brought. `progress` replaces an earlier call's.
    """
    transition(job, JobState.AWAITING, progress=progress, **leases.release_fields(poll_after))
    named = {"provider_ref": ref[:200]} if ref else {}
    transition_attempt(
        attempt, AttemptState.ACCEPTED, provider_request_id=request_id[:200], **named
    )
    event_log.record(
        WORKER_ACTOR,
        "job.accepted",
        subject=job,
        job=job,
        data={"attempt": attempt.pk, "provider": job.image_model.provider.slug, "ref": ref[:200]},
    )


@use_case()
def mark_answered(job: Job, attempt: Attempt, *, request_id: str = "") -> None:
    """Record that the answer's bytes are in the spool; the lease is kept, ingest comes next.

    :raises LeaseLost: if the lease was lost, or the job was to be cancelled meanwhile.
    """
    # If this commit is lost, recovery finds the answer in the spool.
    db_session.use_asynchronous_commit()
    failpoint("answered.before_commit")
    move_to_ingest([job])
    _record_answer(job, attempt, request_id)


@use_case()
def mark_all_answered(calls: Sequence[tuple[Job, Attempt, str]]) -> None:
    """Record several answers, with their request ids, in one transaction; see `mark_answered`.

    :raises LeaseLost: if that holds for one of them; none is recorded then.
    """
    db_session.use_asynchronous_commit()
    failpoint("answered.before_commit")
    move_to_ingest([job for job, _attempt, _request_id in calls])
    for job, attempt, request_id in calls:
        _record_answer(job, attempt, request_id)


def _record_answer(job: Job, attempt: Attempt, request_id: str) -> None:
    transition_attempt(
        attempt,
        AttemptState.ANSWERED,
        answered_at=clock.now(),
        provider_request_id=(request_id or attempt.provider_request_id)[:200],
        **spool.place_of_answer(),
    )
    event_log.record(
        WORKER_ACTOR, "job.answered", subject=job, job=job, data={"attempt": attempt.pk}
    )


@use_case()
def retry(
    job: Job, attempt: Attempt | None, *, error: ProviderError, delay: float, counts: bool = True
) -> None:
    """Queue a job again after a failure that was not billed, to be tried in `delay` seconds.

    With `counts=False` the job's tries do not grow: it only had to wait.
    """
    transition(
        job,
        JobState.QUEUED,
        tries=job.tries if counts else max(0, job.tries - 1),
        error_code=error.code,
        error_message=str(error)[:300],
        error_remedy=error.remedy[:300],
        **leases.release_fields(delay),
    )
    close_unbilled(attempt, error)
    event_log.record(
        WORKER_ACTOR,
        "job.retried",
        subject=job,
        job=job,
        data={"error": error.code, "delay_seconds": int(delay), "tries": job.tries},
    )


@use_case()
def fail_over(
    job: Job,
    attempt: Attempt | None,
    *,
    to: ImageModel,
    cost: Cost,
    fingerprint: str,
    error: ProviderError,
    adapted: Mapping[str, str | int] | None = None,
) -> None:
    """Queue a job again for another model, and reserve its cost anew.

    `adapted` are columns that nobody chose the values of, with those of the other model.

    :raises OverBudget: if the other model's price does not fit into a budget.
    :raises CurrencyMismatch: if a budget counts in another currency.
    """
    before, stopped = job.image_model, breaker.keys_of(job)
    budgets.release(actor=WORKER_ACTOR, job=job)
    changes: dict[str, Any] = {
        "image_model": to,
        "estimated_cost": cost.amount + job.estimated_extras,
        "currency": cost.currency,
        "fingerprint": fingerprint,
        "tries": 0,
        **(adapted or {}),
        **leases.NOT_WAITING,
        **leases.release_fields(0),
    }
    # Reserve first: if it does not fit, the instances in memory are still unchanged.
    budgets.reserve(
        actor=WORKER_ACTOR,
        job=Job(pk=job.pk, requester=job.requester, image_model=to, currency=cost.currency),
        amount=cost.amount + job.estimated_extras,
    )
    if job.state == JobState.QUEUED:
        leases.update_leased_job(job, **changes)
    else:
        transition(job, JobState.QUEUED, **changes)
        if attempt is not None:
            close_unbilled(attempt, error)
    told: dict[str, Any] = {"from": before.slug, "model": to.slug, "provider": to.provider.slug}
    told |= {"error": error.code, **({"adapted": dict(adapted)} if adapted else {})}
    event_log.record(WORKER_ACTOR, "job.failed_over", subject=job, job=job, data=told)
    breaker.count_fail_over(keys=stopped, to=to)


@use_case()
def fail(
    job: Job,
    attempt: Attempt | None,
    *,
    error: ProviderError,
    charge: Decimal | None = None,
    origin: CostOrigin = ESTIMATE,
    actor: Actor = WORKER_ACTOR,
    screened: Sequence[UnsavedVerdict] = (),
) -> None:
    """End a job as failed or blocked; its reservation is released, or charged if it was billed.

    Without `charge`, it was not billed. `screened` holds the verdicts about its images.
    """
    store_verdicts(job, screened)
    if charge is not None and attempt is not None:
        charge, origin = free_allowances.use_allowance(attempt, charge, origin)
    blocked = error.code == "content_blocked"
    transition(
        job,
        JobState.BLOCKED if blocked else JobState.FAILED,
        error_code=error.code,
        error_message=str(error)[:300],
        # Nothing continues by itself any more.
        error_remedy=(TRIED_IN_VAIN if error.retryable else error.remedy)[:300],
        actual_cost=charge or 0,
    )
    if charge is not None and attempt is not None:
        settle_attempt(job, attempt, amount=charge, origin=origin, error=error)
    else:
        close_unbilled(attempt, error)
    budgets.release(actor=actor, job=job)
    data: dict[str, Any] = {"error": error.code, "detail": error.detail[:200]}
    if blocked:
        data |= {
            "categories": list(getattr(error, "categories", ())),
            "stage": getattr(error, "stage", ""),
        }
    event_log.record(
        actor, "job.blocked" if blocked else "job.failed", subject=job, job=job, data=data
    )
    pass_chain.cancel_waiting(job)


@use_case()
def _store_screening(job: Job, screened: Sequence[UnsavedVerdict]) -> None:
    require_lease(job)
    store_verdicts(job, screened)


def book_screening_cost(job: Job, screened: Sequence[UnsavedVerdict]) -> None:
    """Store verdicts that cost something, while their images cannot be stored yet.

    :raises LeaseLost: if the lease was lost.
    """
    if any(one.cost for one in screened):
        _store_screening(job, screened)


@use_case()
def cancel(
    job: Job, attempt: Attempt | None, *, charge: Decimal | None, actor: Actor = WORKER_ACTOR
) -> None:
    """End a job by a person's request; with `charge` it was billed, and the message says so."""
    is_free = charge is None
    message = "Cancelled; nothing was billed." if is_free else "Cancelled, but it was billed."
    transition(
        job,
        JobState.CANCELLED,
        error_code="",
        error_message=message,
        error_remedy="",
        actual_cost=charge or 0,
    )
    if attempt is not None and charge is not None:
        settle_attempt(job, attempt, amount=charge)
    elif attempt is not None:
        transition_attempt(attempt, AttemptState.VOID)
    budgets.release(actor=actor, job=job)
    event_log.record(
        actor, "job.cancelled", subject=job, job=job, data={"was_billed": charge is not None}
    )
    pass_chain.cancel_waiting(job)


@use_case()
def expire(job: Job, attempt: Attempt | None = None) -> None:
    """End a job that was not finished before its deadline; no call of it was sent."""
    transition(
        job,
        JobState.EXPIRED,
        error_code="expired",
        error_message="The job was not finished before its deadline.",
        error_remedy="Request it again.",
        actual_cost=0,
    )
    if attempt is not None:
        transition_attempt(attempt, AttemptState.VOID)
    budgets.release(actor=WORKER_ACTOR, job=job)
    event_log.record(WORKER_ACTOR, "job.expired", subject=job, job=job)
    pass_chain.cancel_waiting(job)


@use_case(savepoint=False)
def succeed(
    job: Job,
    attempt: Attempt,
    *,
    charge: Decimal,
    origin: CostOrigin = ESTIMATE,
    made: int,
    model_version: str,
    resolved: Mapping[str, str] | None = None,
    revised_prompt: str = "",
    note: ProviderError | None,
) -> None:
    """End a job with its assets; joins the transaction that writes them."""
    charge, origin = free_allowances.use_allowance(attempt, charge, origin)
    transition(
        job,
        JobState.SUCCEEDED,
        actual_cost=charge,
        progress=1.0,
        error_code="" if note is None else "fewer_images",
        error_message="" if note is None else str(note)[:300],
        error_remedy="" if note is None else note.remedy[:300],
    )
    remaining = settle_attempt(
        job,
        attempt,
        amount=charge,
        origin=origin,
        model_version=model_version,
        resolved=resolved,
        revised_prompt=revised_prompt,
    )
    if remaining:
        budgets.release(actor=WORKER_ACTOR, job=job)
    event_log.record(
        WORKER_ACTOR,
        "job.succeeded",
        subject=job,
        job=job,
        data={"count": made, "wanted": job.count},
    )
