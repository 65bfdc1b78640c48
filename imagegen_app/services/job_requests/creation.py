"""Create jobs from job requests: authorize, price, screen and reserve, one or many at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db import IntegrityError
from django.utils.translation import gettext as _

from imagegen_app.core import canonical
from imagegen_app.core.failpoints import failpoint
from imagegen_app.core.states import JobState
from imagegen_app.engines.base import wake
from imagegen_app.models import Batch, Job, JobInput, Verdict
from imagegen_app.services.foundation import event_log, wakeups
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import screening
from imagegen_app.services.job_requests import (
    _follow_ups,
    _rows,
    _screened_parts,
    cache_hits,
    pass_planning,
    prices,
)
from imagegen_app.services.job_requests._rows import CheckedRequest
from imagegen_app.services.job_requests.values import InvalidPass
from imagegen_app.services.jobs import batch_counts
from imagegen_app.services.policy import access, budgets
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.core.actors import Actor
    from imagegen_app.core.types import Cost
    from imagegen_app.models import ImageModel
    from imagegen_app.services.job_requests.values import JobRequest


#: Requests that may become jobs, as `check_requests` returns them.
CheckedRequests = list[CheckedRequest]


class IdempotencyConflict(ActionRefused):
    """The idempotency key was used before for another request."""

    code = "idempotency_conflict"


class PromptBlocked(ActionRefused):
    """A screener blocked the job request; `job` is the blocked job with the verdicts."""

    code = "prompt_blocked"

    def __init__(self, message: str, *, reason: str, remedy: str, job: Job) -> None:
        super().__init__(message, reason=reason, remedy=remedy)
        self.job = job


@dataclass(frozen=True, slots=True)
class Offer:
    """What a request would cost, and whether it would be refused at present."""

    #: The request as it was understood.
    job_request: JobRequest
    #: The estimate, with content checks and all follow-up passes.
    cost: Cost
    #: None where no budget applies.
    allowance: budgets.Allowance | None = None
    #: Images of an earlier job are reused at no cost.
    is_cached: bool = False
    #: Why it would be refused, and whom to ask; None if it would not.
    refusal: ActionRefused | None = None

    @property
    def is_possible(self) -> bool:
        """Whether nothing refuses it before the content checks."""
        return self.refusal is None


def offer(*, actor: Actor, job_request: JobRequest) -> Offer:
    """Return what a request would cost and whether it would be refused; nothing is written.

    :raises NoPrice: if the model's price list has no price for it.
    :raises InvalidPass: if its parts are priced in several currencies.
    """
    return offers(actor=actor, job_requests=[job_request])[0]


def offers(*, actor: Actor, job_requests: Sequence[JobRequest]) -> list[Offer]:
    """Return the offers of several requests, each as if it were the only one.

    :raises NoPrice: if the model's price list has no price for one of them.
    :raises InvalidPass: if the parts of one are priced in several currencies.
    """
    cached = cache_hits.find_cached_jobs(job_requests) if job_requests else {}
    allowances: dict[int, budgets.Allowance | None] = {}
    grant_refusals: dict[object, ActionRefused | None] = {}
    priced: dict[object, tuple[prices.Estimate, Cost]] = {}
    found: list[Offer] = []
    for job_request in job_requests:
        model = job_request.image_model
        if model.pk not in allowances:
            allowances[model.pk] = budgets.allowance(actor, model)
        kind = _kind_of(job_request)
        if kind not in grant_refusals:
            grant_refusals[kind] = _grant_refusal(actor, job_request)
        one = Offer(
            job_request=job_request,
            cost=_priced(job_request, priced)[1],
            allowance=allowances[model.pk],
            is_cached=bool(cached) and cache_hits.fingerprint_of(job_request) in cached,
            refusal=grant_refusals[kind],
        )
        if one.is_possible and not one.is_cached:
            one = replace(one, refusal=budgets.refusal_for(one.cost, one.allowance))
        found.append(one)
    return found


def _grant_refusal(actor: Actor, job_request: JobRequest) -> ActionRefused | None:
    try:
        require_grants(actor, job_request)
    except access.NotGranted as refusal:
        return refusal
    return None


def total_cost(job_request: JobRequest) -> Cost:
    """Return the estimated cost of a job request with content checks and all follow-up passes.

    :raises NoPrice: if a part of it has no price.
    :raises InvalidPass: if its parts are priced in several currencies.
    """
    return _priced(job_request, {})[1]


def _priced(
    job_request: JobRequest, known: dict[object, tuple[prices.Estimate, Cost]]
) -> tuple[prices.Estimate, Cost]:
    """Return the estimate without follow-up passes, and the total cost with them.

    `known` caches them: rows of a batch that differ only in their texts are priced once.
    """
    request = job_request.provider_request
    texts = (bool(job_request.instructions), bool(request.negative_prompt), len(request.inputs))
    key = (_kind_of(job_request), request.quality, texts, prices.steps_of(request))
    if key not in known:
        estimate, is_row = prices.estimate_request(job_request), job_request.batch is not None
        total = estimate.total
        passes = pass_planning.passes_cost(job_request.passes, count=request.count, is_row=is_row)
        if passes is not None and passes.currency != total.currency:
            raise InvalidPass(_("The passes are priced in several currencies."))
        if passes is not None:
            total = replace(total, amount=total.amount + passes.amount)
        known[key] = (estimate, total)
    return known[key]


def with_form_key(job_request: JobRequest, *, page: str) -> JobRequest:
    """Return the job request with an idempotency key from its page and its content.

    `page` is the nonce of a rendered form. Sending the same form twice then makes one job; sending
    it with other values makes another one.
    """
    if not page:
        return job_request
    return replace(
        job_request,
        idempotency_key=canonical.digest(
            {"page": page, "request": cache_hits.digest_of(job_request)}
        ),
    )


def request_images(*, actor: Actor, job_request: JobRequest) -> Job:
    """Create a job from a job request, or return the job that its idempotency key created before.

    Rules are checked and screeners asked first; then job, reservation and events are written in one
    transaction. A refusal is recorded in a transaction of its own, since this one is rolled back.

    :raises NotGranted: if no grant covers it.
    :raises NoPrice: if it cannot be priced.
    :raises OverBudget: if a budget has too little remaining.
    :raises PromptBlocked: if a screener blocks it; the job exists in the state `blocked`.
    :raises IdempotencyConflict: if its key was used for another request.
    """
    existing = _existing_job(actor, job_request)
    if existing is not None:
        return existing
    try:
        # Outside any transaction: a screener may be a slow remote service.
        job = _create_one(
            actor=actor, checked=check_requests(actor=actor, job_requests=[job_request])
        )
    except ActionRefused as refusal:
        if not refusal.is_already_done:
            record_refusal(actor=actor, job_request=job_request, refusal=refusal)
        raise
    except IntegrityError:
        # The same key arrived twice at once, and the other request was first.
        existing = _existing_job(actor, job_request)
        if existing is None:
            raise
        return existing
    failpoint("request.after_commit_before_wakeup")
    if job.state == JobState.BLOCKED:
        raise blocked_refusal(job)
    wakeups.wake_if_stale()
    return job


def require_grants(actor: Actor, job_request: JobRequest) -> access.GrantDecision:
    """Require grants for a job request and its follow-up passes; return the request's decision.

    :raises NotGranted: if a part of it is not granted to the actor.
    """
    decision = access.require_grant(
        actor,
        image_model=job_request.image_model,
        operation=job_request.provider_request.operation,
        size=job_request.provider_request.size,
        count=job_request.provider_request.count,
    )
    pass_planning.require_pass_grants(actor, job_request.passes)
    return decision


def check_requests(*, actor: Actor, job_requests: Sequence[JobRequest]) -> CheckedRequests:
    """Check the grants of requests, price them and have them screened; nothing is written.

    A grant that ends meanwhile is noticed by the worker, which checks it again.

    :raises NotGranted: if no grant covers one of them.
    :raises NoPrice: if one cannot be priced.
    :raises OverBudget: if screening costs money, and all together exceed a budget.
    """
    rules: dict[object, str] = {}
    needed: dict[ImageModel, Decimal] = {}
    estimates: list[prices.Estimate] = []
    priced: dict[object, tuple[prices.Estimate, Cost]] = {}
    for job_request in job_requests:
        kind = _kind_of(job_request)
        if kind not in rules:
            rules[kind] = require_grants(actor, job_request).rule
        estimate, total = _priced(job_request, priced)
        needed[job_request.image_model] = (
            needed.get(job_request.image_model, Decimal(0)) + total.amount
        )
        estimates.append(estimate)
    if any(estimate.screening for estimate in estimates):
        # Screeners are not paid for requests that exceed the budget anyway.
        for model, amount in needed.items():
            budgets.require_budget(actor, model, amount=amount)
    return [
        CheckedRequest(
            job_request,
            rules[_kind_of(job_request)],
            estimate,
            tuple(_screened_parts.screen_request(job_request)),
        )
        for job_request, estimate in zip(job_requests, estimates, strict=True)
    ]


def _kind_of(job_request: JobRequest) -> object:
    """Return what grants depend on: requests of one kind are granted or refused together."""
    model, request = job_request.image_model, job_request.provider_request
    return (model.pk, request.operation, request.size, request.count, job_request.passes)


@use_case()
def _create_one(*, actor: Actor, checked: Sequence[CheckedRequest]) -> Job:
    (job,) = create_jobs(actor=actor, checked=checked)
    if not job.is_final:
        wake("drive")
    failpoint("request.before_commit")
    return job


def create_jobs(
    *, actor: Actor, checked: Sequence[CheckedRequest], batch: Batch | None = None
) -> list[Job]:
    """Create the jobs of checked requests with all related rows, in about a dozen statements.

    That is: follow-up passes, input images, verdicts, events, reservations, the cost of screening
    and the counts of the batch. Joins the caller's transaction. With `batch`, they are its next
    rows: one event records all reservations, and verdicts are part of the events of the requests.

    :raises OverBudget: if they exceed a budget.
    :raises CurrencyMismatch: if a budget has another currency.
    :raises IntegrityError: if an idempotency key of the actor was used meanwhile.
    """
    if not checked:
        return []
    jobs = _rows.build_jobs(actor, checked)
    rows: list[Job] = []
    entries: list[event_log.NewEvent] = []
    for one, job in zip(checked, jobs, strict=True):
        following = (
            [] if job.is_final else _follow_ups.build_follow_ups(job, one.job_request.passes)
        )
        rows += [job, *following]
        entries += _rows.entries(one, job, is_row=batch is not None)
        entries += [_follow_ups.requested_event(later) for later in following]
    Job.objects.bulk_create(rows, batch_size=1000)
    pairs = list(zip(checked, jobs, strict=True))
    Verdict.objects.bulk_create(
        [row for one, job in pairs for row in screening.build_verdicts(job, one.screened)],
        batch_size=1000,
    )
    JobInput.objects.bulk_create(
        [
            row
            for one, job in pairs
            # Not stored: its files may be what nobody may have. The verdicts keep their hashes.
            if not one.is_closed
            for row in _rows.build_inputs(one.job_request, job)
        ]
    )
    for one, job in pairs:
        _screened_parts.close_inputs(actor, one, job)
    event_log.record_many(actor, entries)
    unfinished = [job for job in rows if not job.is_final]
    budgets.reserve_many(actor=actor, jobs=unfinished, batch=batch)
    for job in jobs:
        budgets.charge_extra(actor=actor, job=job, amount=job.screening_cost, purpose="screening")
    batch_counts.count_new_jobs(rows)
    return jobs


@use_case()
def record_refusal(*, actor: Actor, job_request: JobRequest, refusal: ActionRefused) -> None:
    """Record that a request was refused, in a transaction of its own."""
    event_log.record(
        actor,
        "job.denied",
        data={
            "operation": job_request.provider_request.operation,
            "model": job_request.image_model.slug,
            "count": job_request.provider_request.count,
            "size": str(job_request.provider_request.size),
            "rule": refusal.code,
        },
        personal={"prompt": job_request.provider_request.prompt, "reason": refusal.reason},
    )


def _existing_job(actor: Actor, job_request: JobRequest) -> Job | None:
    """Return the job that this idempotency key of the actor created before, if there is one.

    :raises IdempotencyConflict: if it was created from another request.
    """
    if not job_request.idempotency_key:
        return None
    job = Job.objects.filter(
        actor_kind=actor.kind, actor_id=actor.id, idempotency_key=job_request.idempotency_key
    ).first()
    if job is None:
        return None
    if job.request_digest != cache_hits.digest_of(job_request):
        raise IdempotencyConflict(
            _("The job was not created."),
            reason=_("Its idempotency key was already used for another job."),
            remedy=_("Use a new key for a new job."),
        )
    return job


def blocked_refusal(job: Job) -> PromptBlocked:
    """Return the refusal that tells why a screener blocked a job."""
    reason, remedy = _screened_parts.blocked_words(job)
    message = _("The content check blocked this request.")
    return PromptBlocked(message, reason=reason, remedy=remedy, job=job)
