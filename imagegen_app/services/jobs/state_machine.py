"""Change the state of a job or an attempt, if the transition is allowed and the lease is held.

`transitions`, `unknown_outcomes` and `pass_chain` have one named function for each transition. A
worker that lost its lease writes nothing: its token no longer matches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import F, Q

from imagegen_app.core import live_secrets, types
from imagegen_app.core.actors import System
from imagegen_app.core.pricing import ESTIMATE, CostOrigin
from imagegen_app.core.provider_message import stored_message
from imagegen_app.core.states import (
    ATTEMPT_TRANSITIONS,
    FINAL_STATES,
    LIVE_ATTEMPT_STATES,
    AttemptState,
    JobState,
    can_transition,
)
from imagegen_app.models import Attempt, Batch, Job
from imagegen_app.models.amounts import amount_expression as exact
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.announcements import send_job_finished
from imagegen_app.services.gateways import screening
from imagegen_app.services.jobs import batch_counts, job_previews, leases
from imagegen_app.services.policy import budgets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from imagegen_app.core.errors import ProviderError

WORKER_ACTOR = System("worker")


class IllegalTransition(RuntimeError):
    """`core.states` does not allow this transition: a mistake in the calling code."""

    def __init__(self, source: str, target: str) -> None:
        super().__init__(f"no transition from {source} to {target}")


def transition(job: Job, target: JobState, **changes: Any) -> None:
    """Change a job's state under its lease token.

    :raises IllegalTransition: if the transition is not allowed.
    :raises LeaseLost: if the lease token no longer matches.
    """
    source = JobState(job.state)
    if not can_transition(source, target):
        raise IllegalTransition(source, target)
    now = clock.now()
    changes = live_secrets.hide_in({"expired_leases": 0, **leases.NOT_WAITING, **changes})
    if target is JobState.QUEUED and job.batch_id is not None:
        # Back in the queue of a batch that was paused meanwhile, it waits with the others.
        changes["is_held"] = Batch.objects.filter(pk=job.batch_id, paused_at__isnull=False).exists()
    if target in FINAL_STATES:
        changes |= {"finished_at": now, "lease_until": None, "lease_owner": "", "due_at": None}
        extras = job.screening_cost + job.captioning_cost
        changes["actual_cost"] = changes.get("actual_cost", 0) + extras
    if target not in job_previews.SHOWN_STATES:
        changes |= job_previews.end(job)
    moved = Job.objects.filter(pk=job.pk, state=source.value, lease_token=job.lease_token).update(
        state=target.value, **changes
    )
    if not moved:
        raise leases.LeaseLost(str(job.pk))
    job.state = target.value
    for name, value in changes.items():
        if not isinstance(value, F):
            setattr(job, name, value)
    if target in FINAL_STATES:
        if job.batch_id is not None:
            batch_counts.count_ended_job(job)
        send_job_finished(job)


def move_to_ingest(jobs: Sequence[Job]) -> None:
    """Start ingesting jobs whose answers are in the spool, under their leases, in one statement.

    :raises IllegalTransition: if the transition is not allowed.
    :raises LeaseLost: if a lease was lost or a job is to be cancelled; the caller's transaction
        must be rolled back then.
    """
    held = Q()
    for job in jobs:
        source = JobState(job.state)
        if not can_transition(source, JobState.INGESTING):
            raise IllegalTransition(source, JobState.INGESTING)
        held |= Q(pk=job.pk, state=source.value, lease_token=job.lease_token)
    if len(jobs) > 1:
        # Lock in the same order everywhere, to avoid deadlocks.
        rows = Job.objects.filter(pk__in=[job.pk for job in jobs]).order_by("pk")
        list(rows.select_for_update().values_list("pk", flat=True))
    changes = {
        "state": JobState.INGESTING.value,
        "expired_leases": 0,
        "due_at": clock.now(),
        **leases.NOT_WAITING,
    }
    moved = Job.objects.filter(held, cancel_requested_at=None).update(**changes)
    if moved != len(jobs):
        raise leases.LeaseLost(", ".join(str(job.pk) for job in jobs))
    for job in jobs:
        for name, value in changes.items():
            setattr(job, name, value)


def transition_attempt(attempt: Attempt, target: AttemptState, **changes: Any) -> None:
    """Change an attempt's state; the caller checks the job's lease, with `transition`.

    :raises IllegalTransition: if the transition is not allowed.
    :raises LeaseLost: if the attempt's state changed meanwhile.
    """
    source = AttemptState(attempt.state)
    if target not in ATTEMPT_TRANSITIONS[source]:
        raise IllegalTransition(source, target)
    changes = live_secrets.hide_in(changes)
    if target not in LIVE_ATTEMPT_STATES:
        changes |= {"live_job": None, "ended_at": clock.now()}
    moved = Attempt.objects.filter(pk=attempt.pk, state=source.value).update(
        state=target.value, **changes
    )
    if not moved:
        raise leases.LeaseLost(str(attempt.job_id))
    attempt.state = target.value
    for name, value in changes.items():
        setattr(attempt, name, value)


def require_lease(job: Job) -> None:
    """Make sure, inside a transaction, that the caller still holds the lease.

    :raises LeaseLost: if it is not.
    """
    if not Job.objects.filter(pk=job.pk, state=job.state, lease_token=job.lease_token).update(
        lease_token=F("lease_token")
    ):
        raise leases.LeaseLost(str(job.pk))


def settle_attempt(
    job: Job,
    attempt: Attempt,
    *,
    amount: Decimal,
    origin: CostOrigin = ESTIMATE,
    error: ProviderError | None = None,
    error_code: str = "",
    model_version: str = "",
    resolved: Mapping[str, str] | None = None,
    revised_prompt: str = "",
) -> Decimal:
    """Charge an attempt and return what is still reserved; joins the caller's transaction.

    `origin` says where the amount comes from: what was reserved, if nobody has counted.
    """
    remaining = budgets.charge(actor=WORKER_ACTOR, job=job, attempt=attempt, amount=amount)
    transition_attempt(
        attempt,
        AttemptState.SETTLED,
        actual_cost=amount,
        cost_source=origin.source or "",
        priced_on=origin.priced_on,
        free_unit_count=origin.free_unit_count,
        error_code=error.code if error else error_code,
        error_detail=(error.detail if error else "")[:300],
        provider_message=message_of(error, job) if error else "",
        model_version=model_version[:120],
        resolved=dict(resolved or {}),
        revised_prompt=revised_prompt,
    )
    return remaining


def store_verdicts(job: Job, decisions: Sequence[screening.UnsavedVerdict]) -> None:
    """Store verdicts about a job's images and book their cost; joins the transaction."""
    screening.store_verdicts(actor=WORKER_ACTOR, job=job, decisions=decisions)
    charge_screening(job, decisions)


def charge_screening(job: Job, decisions: Sequence[screening.UnsavedVerdict]) -> None:
    """Book what screeners have cost; joins the transaction, before the job's end is written."""
    _charge_extra(job, "screening", screening.cost_of(decisions))


def charge_captions(job: Job, cost: Decimal) -> None:
    """Book what the captioner has cost; joins the transaction, before the job's end is written."""
    _charge_extra(job, "captioning", cost)


def _charge_extra(job: Job, purpose: str, cost: Decimal) -> None:
    if not cost:
        return
    budgets.charge_extra(actor=WORKER_ACTOR, job=job, amount=cost, purpose=purpose)
    column = f"{purpose}_cost"
    Job.objects.filter(pk=job.pk).update(**{column: F(column) + exact(cost)})
    setattr(job, column, getattr(job, column) + cost)


def message_of(error: ProviderError, job: Job) -> str:
    """Return how the provider explains an error, without the prompt: what an attempt keeps of it.

    Nothing where the prompt was erased: nobody could tell any more whether it is repeated.
    """
    if not error.provider_message or job.prompt_erased_at is not None:
        return ""
    jobs = [job] if job.root is None else [job, job.root]
    if any(one.prompt_erased_at is not None for one in jobs):
        return ""
    texts = [
        text
        for one in jobs
        for text in (
            one.prompt,
            one.negative_prompt,
            *types.texts_in(one.variables),
            # Single words are the names of choices.
            *(given for given in types.texts_in(one.parameters) if " " in given),
            *(str(step.get("instruction", "")) for step in one.passes),
        )
    ]
    return stored_message(error.provider_message, prompts=texts)


def close_unbilled(attempt: Attempt | None, error: ProviderError) -> None:
    """Close an attempt that was not billed; joins the caller's transaction."""
    if attempt is None:
        return
    target = AttemptState.VOID if attempt.state == AttemptState.CREATED else AttemptState.REFUSED
    transition_attempt(
        attempt,
        target,
        error_code=error.code,
        error_detail=error.detail[:300],
        provider_message=message_of(error, attempt.job),
        provider_request_id=(error.request_id or attempt.provider_request_id)[:200],
    )
