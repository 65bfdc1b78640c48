"""Turn requests into authorised, priced, screened and reserved jobs: one, or the many of a batch."""

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
from imagegen_app.models.amounts import format_amount
from imagegen_app.services.foundation import event_log, stored_messages, wakeups
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import screening
from imagegen_app.services.job_requests import (
    _follow_ups,
    _rows,
    cache_hits,
    pass_planning,
    prices,
)
from imagegen_app.services.job_requests._rows import CheckedRequest
from imagegen_app.services.job_requests.values import InvalidPass
from imagegen_app.services.jobs import batch_counts
from imagegen_app.services.policy import access, budgets
from imagegen_app.services.policy.access import ActionRefused, contact_sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.core.actors import Actor
    from imagegen_app.core.types import Cost
    from imagegen_app.models import ImageModel
    from imagegen_app.services.job_requests.values import JobRequest


class IdempotencyConflict(ActionRefused):
    """The key was used before for another request."""

    code = "idempotency_conflict"


class PromptBlocked(ActionRefused):
    """A screener refused the job request; `job` holds the verdicts."""

    code = "prompt_blocked"

    def __init__(self, message: str, *, reason: str, remedy: str, job: Job) -> None:
        super().__init__(message, reason=reason, remedy=remedy)
        self.job = job


@dataclass(frozen=True, slots=True)
class Offer:
    """What a request would cost, and whether it would be refused as things stand."""

    job_request: JobRequest
    #: With its screening and all its follow-up passes.
    cost: Cost
    #: None where no budget applies.
    allowance: budgets.Allowance | None = None
    #: It was answered before and costs nothing.
    is_cached: bool = False
    #: Why it would be refused, and whom to ask; None if it can be made.
    refusal: ActionRefused | None = None

    @property
    def is_possible(self) -> bool:
        """Whether it can be made now, for all that is known before it is screened."""
        return self.refusal is None


def offer(*, actor: Actor, job_request: JobRequest) -> Offer:
    """Return what a request would cost and whether it would be refused, without making it.

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
    refusals: dict[object, ActionRefused | None] = {}
    priced: dict[object, tuple[prices.Estimate, Cost]] = {}
    found: list[Offer] = []
    for job_request in job_requests:
        model = job_request.image_model
        if model.pk not in allowances:
            allowances[model.pk] = budgets.allowance(actor, model)
        kind = _kind_of(job_request)
        if kind not in refusals:
            refusals[kind] = _grant_refusal(actor, job_request)
        made = Offer(
            job_request=job_request,
            cost=_priced(job_request, priced)[1],
            allowance=allowances[model.pk],
            is_cached=bool(cached) and cache_hits.fingerprint_of(job_request) in cached,
            refusal=refusals[kind],
        )
        if made.is_possible and not made.is_cached:
            made = replace(made, refusal=budget_refusal(made.cost, made.allowance))
        found.append(made)
    return found


def budget_refusal(cost: Cost, allowance: budgets.Allowance | None) -> ActionRefused | None:
    """Return why an amount does not fit into what is left of a budget; None if it fits."""
    if allowance is None:
        return None
    if allowance.currency != cost.currency:
        return budgets.currency_mismatch(allowance.budget, allowance.currency, cost.currency)
    if allowance.remaining >= cost.amount:
        return None
    return budgets.OverBudget(
        _("This image does not fit into the budget."),
        reason=_("It would cost %(cost)s %(currency)s; %(left)s %(currency)s remain in the budget.")
        % {
            "cost": format_amount(cost.amount),
            "currency": cost.currency,
            "left": format_amount(max(allowance.remaining, Decimal(0))),
        },
        remedy=contact_sentence(),
    )


def _grant_refusal(actor: Actor, job_request: JobRequest) -> ActionRefused | None:
    try:
        require_grants(actor, job_request)
    except access.NotGranted as refusal:
        return refusal
    return None


def total_cost(job_request: JobRequest) -> Cost:
    """Return what a job request is estimated to cost with its screening and all its follow-up passes.

    :raises NoPrice: if a part of it has no price.
    :raises InvalidPass: if its parts are priced in several currencies.
    """
    return _priced(job_request, {})[1]


def _priced(
    job_request: JobRequest, known: dict[object, tuple[prices.Estimate, Cost]]
) -> tuple[prices.Estimate, Cost]:
    """Return what a job request may cost, its follow-up passes left out and with them.

    The rows of a batch are alike but for their words: what costs the same is priced once.
    """
    request = job_request.provider_request
    texts = (bool(request.prompt), bool(request.negative_prompt), len(request.inputs))
    key = (_kind_of(job_request), request.quality, texts)
    if key not in known:
        estimate = prices.estimate_request(job_request)
        total = estimate.total
        more = pass_planning.passes_cost(job_request.passes, count=request.count)
        if more is not None and more.currency != total.currency:
            raise InvalidPass(_("The passes are priced in several currencies."))
        if more is not None:
            total = replace(total, amount=total.amount + more.amount)
        known[key] = (estimate, total)
    return known[key]


def with_form_key(job_request: JobRequest, *, page: str) -> JobRequest:
    """Return the job request under a key made of the page it was sent from and of what it asks for.

    Sent twice from one page, it is one request; changed on the same page, it is another one.
    """
    if not page:
        return job_request
    return replace(
        job_request,
        idempotency_key=canonical.digest({"page": page, "wish": cache_hits.digest_of(job_request)}),
    )


def request_images(*, actor: Actor, job_request: JobRequest) -> Job:
    """Make a job of a job request, or return the one that its idempotency key made before.

    It is held to the rules and screened first; then job, reservation and events are written in one
    transaction. A refusal is recorded in a transaction of its own, since this one is rolled back.

    :raises NotGranted: if the allowlist does not cover it.
    :raises NoPrice: if it cannot be priced.
    :raises OverBudget: if a budget has too little left.
    :raises PromptBlocked: if a screener refuses it; the job exists, in the state `blocked`.
    :raises IdempotencyConflict: if its key stands for another request.
    """
    known = _known(actor, job_request)
    if known is not None:
        return known
    try:
        # In no transaction: a screener may be far away.
        job = _create_one(
            actor=actor, checked=check_requests(actor=actor, job_requests=[job_request])
        )
    except ActionRefused as refusal:
        _record_refusal(actor=actor, job_request=job_request, refusal=refusal)
        raise
    except IntegrityError:
        # The same key arrived twice at once; the other one won.
        known = _known(actor, job_request)
        if known is None:
            raise
        return known
    failpoint("request.after_commit_before_ring")
    if job.state == JobState.BLOCKED:
        raise _blocked(job)
    wakeups.wake_if_stale()
    return job


def require_grants(actor: Actor, job_request: JobRequest) -> access.GrantDecision:
    """Hold a job request and each of its follow-up passes to the allowlist; return its own rule.

    :raises NotGranted: if a part of it is not released for the actor.
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


def check_requests(*, actor: Actor, job_requests: Sequence[JobRequest]) -> list[CheckedRequest]:
    """Hold requests to the rules, and then have each of them screened; nothing is written.

    A grant that ends meanwhile is noticed by the worker, which asks for it again.

    :raises NotGranted: if the allowlist does not cover one of them.
    :raises NoPrice: if one cannot be priced.
    :raises OverBudget: if screening costs, and all of them together do not fit into a budget.
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
        # Screeners are not paid for requests that cannot be.
        for model, amount in needed.items():
            budgets.require_budget(actor, model, amount=amount)
    return [
        CheckedRequest(
            job_request, rules[_kind_of(job_request)], estimate, tuple(screen(job_request))
        )
        for job_request, estimate in zip(job_requests, estimates, strict=True)
    ]


def _kind_of(job_request: JobRequest) -> object:
    """Return what the allowlist looks at: requests of one kind are granted or refused together."""
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
    """Write the jobs of checked requests with all that belongs to them, in a dozen statements.

    That is: their follow-up passes, input images, verdicts, events, reservations, what screening
    cost, and the counts of their batch. Joins the caller's transaction. With `batch`, they are its
    next rows: the money is told of once for all, and what screeners passed with each request.

    :raises OverBudget: if they do not fit into a budget.
    :raises CurrencyMismatch: if a budget counts in another currency.
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
        [row for one, job in pairs for row in _rows.build_inputs(one.job_request, job)]
    )
    event_log.record_many(actor, entries)
    unpaid = [job for job in rows if not job.is_final]
    budgets.reserve_many(actor=actor, jobs=unpaid, batch=batch)
    for job in jobs:
        budgets.charge_extra(actor=actor, job=job, amount=job.screening_cost, purpose="screening")
    batch_counts.count_new_jobs(rows)
    return jobs


def screen(job_request: JobRequest) -> list[screening.UnsavedVerdict]:
    """Have the site's screeners look at a job request's texts and input images."""
    found = [
        *screening.screen_text(job_request.provider_request.prompt, part="prompt"),
        *screening.screen_text(
            job_request.provider_request.negative_prompt, part="negative_prompt"
        ),
    ]
    for number, picture in enumerate(job_request.provider_request.inputs, start=1):
        found += screening.screen_image(
            picture.data,
            media_type=picture.media_type,
            stage="input",
            part=f"input_image:{number}",
        )
    return found


@use_case()
def _record_refusal(*, actor: Actor, job_request: JobRequest, refusal: ActionRefused) -> None:
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


def _known(actor: Actor, job_request: JobRequest) -> Job | None:
    """Return the job that this actor's key made before.

    :raises IdempotencyConflict: if it was made from another request.
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


def _blocked(job: Job) -> PromptBlocked:
    verdict = job.verdicts.filter(outcome="blocked").order_by("pk").first()
    where = stored_messages.screened_part(verdict.part) if verdict else ""
    advice = verdict.remedy if verdict else ""
    return PromptBlocked(
        _("The content check blocked this request."),
        reason=_("“%(screener)s” blocked this part: %(where)s.")
        % {"screener": verdict.screener if verdict else "", "where": where},
        remedy=f"{advice} {contact_sentence()}".strip(),
        job=job,
    )
