"""Turn a wish into an authorised, priced, screened and reserved job."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.db import IntegrityError
from django.utils.translation import gettext as _

from imagegen_app.core import canonical
from imagegen_app.core.failpoints import failpoint
from imagegen_app.core.states import JobState
from imagegen_app.engines.base import wake
from imagegen_app.models import Job, JobInput
from imagegen_app.services import (
    access,
    audit,
    batch_counts,
    budgets,
    chains,
    clock,
    job_rows,
    moderation,
    prices,
    pulse,
    repeats,
    steps,
    storage,
    turns,
)
from imagegen_app.services.access import Refused, whom_to_ask
from imagegen_app.services.unit import use_case

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor
    from imagegen_app.core.types import Cost
    from imagegen_app.services.wishes import Wish


class IdempotencyConflict(Refused):
    """The key was used before for another request."""

    code = "idempotency_conflict"


class PromptBlocked(Refused):
    """A screener refused the wish; `job` holds the verdicts."""

    code = "prompt_blocked"

    def __init__(self, what: str, *, why: str, remedy: str, job: Job) -> None:
        super().__init__(what, why=why, remedy=remedy)
        self.job = job


@dataclass(frozen=True, slots=True)
class Quote:
    """What a wish would cost, and what is left to pay it from."""

    cost: Cost
    #: None where no budget applies.
    allowance: budgets.Allowance | None
    #: The wish was answered before and costs nothing.
    is_cached: bool = False


def quote(*, actor: Actor, wish: Wish) -> Quote:
    """Price a wish without making it.

    :raises NoPrice: if the model's price list has no price for it.
    """
    return Quote(
        cost=total_of(wish),
        allowance=budgets.allowance(actor, wish.image_model),
        is_cached=_earlier(wish) is not None,
    )


def total_of(wish: Wish) -> Cost:
    """Return what a wish is estimated to cost with its screening and all its follow-up passes.

    :raises NoPrice: if a part of it has no price.
    :raises BadStep: if its parts are priced in several currencies.
    """
    cost = prices.price(wish).total
    more = steps.cost_of(wish.steps, count=wish.request.count)
    if more is None:
        return cost
    if more.currency != cost.currency:
        raise steps.BadStep(_("The passes are priced in several currencies."))
    return replace(cost, amount=cost.amount + more.amount)


def once(wish: Wish, *, page: str) -> Wish:
    """Return the wish under a key made of the page it was sent from and of what it asks for.

    Sent twice from one page, it is one request; changed on the same page, it is another one.
    """
    if not page:
        return wish
    return replace(
        wish, idempotency_key=canonical.digest({"page": page, "wish": repeats.digest_of(wish)})
    )


def request_images(*, actor: Actor, wish: Wish) -> Job:
    """Make a job of a wish, or return the one that its idempotency key made before.

    It is held to the rules and screened first; then job, reservation and events are written in one
    transaction. A refusal is recorded in a transaction of its own, since this one is rolled back.

    :raises NotGranted: if the allowlist does not cover it.
    :raises NoPrice: if it cannot be priced.
    :raises OverBudget: if a budget has too little left.
    :raises PromptBlocked: if a screener refuses it; the job exists, in the state `blocked`.
    :raises IdempotencyConflict: if its key stands for another request.
    """
    digest = repeats.digest_of(wish)
    known = _known(actor, wish, digest)
    if known is not None:
        return known
    try:
        checked = _check(actor, wish)
        job = _create(actor=actor, wish=wish, digest=digest, checked=checked)
    except Refused as refusal:
        _record_refusal(actor=actor, wish=wish, refusal=refusal)
        raise
    except IntegrityError:
        # The same key arrived twice at once; the other one won.
        known = _known(actor, wish, digest)
        if known is None:
            raise
        return known
    failpoint("request.after_commit_before_ring")
    if job.state == JobState.BLOCKED:
        raise _blocked(job)
    pulse.ring_if_stale()
    return job


def demand_granted(actor: Actor, wish: Wish) -> access.Decision:
    """Hold a wish and each of its follow-up passes to the allowlist; return the wish's own rule.

    :raises NotGranted: if a part of it is not released for the actor.
    """
    decision = access.demand_grant(
        actor,
        image_model=wish.image_model,
        operation=wish.request.operation,
        size=wish.request.size,
        count=wish.request.count,
    )
    steps.demand_grants(actor, wish.steps)
    return decision


@dataclass(frozen=True, slots=True)
class _Checked:
    """What the rules and the screeners say of a wish."""

    rule: str
    estimate: prices.Estimate
    screened: list[moderation.Screened]


def _check(actor: Actor, wish: Wish) -> _Checked:
    """Hold a wish to the rules, then have it screened; in no transaction: a screener may be far away.

    A grant that ends meanwhile is noticed by the worker, which asks for it again.
    """
    rule = demand_granted(actor, wish).rule
    total = total_of(wish)
    estimate = prices.price(wish)
    if estimate.screening:
        # Screeners are not paid for a wish that cannot be.
        budgets.demand_room(actor, wish.image_model, amount=total.amount)
    return _Checked(rule=rule, estimate=estimate, screened=screen(wish))


@use_case()
def _create(*, actor: Actor, wish: Wish, digest: str, checked: _Checked) -> Job:
    screened, estimate = checked.screened, checked.estimate
    blocked = moderation.is_blocked(screened)
    earlier = None if blocked else _earlier(wish)
    job = _store(actor, wish, digest, estimate, screened=screened, blocked=blocked, earlier=earlier)
    moderation.keep(actor=actor, job=job, decisions=screened)
    audit.record(
        actor,
        "job.requested",
        subject=job,
        job=job,
        data=job_rows.facts(wish, job=job, rule=checked.rule),
        personal={"prompt": wish.request.prompt, "negative_prompt": wish.request.negative_prompt},
    )
    if blocked:
        categories = sorted({c for s in screened for c in s.finding.categories})
        audit.record(actor, "job.blocked", subject=job, job=job, data={"categories": categories})
    elif earlier is not None:
        audit.record(actor, "job.cached", subject=job, job=job, data={"earlier": earlier.pk})
    else:
        budgets.reserve(actor=actor, job=job, amount=estimate.total.amount)
        chains.store(job, wish.steps, actor=actor)
        wake("drive")
    budgets.charge_extra(
        actor=actor, job=job, amount=moderation.cost_of(screened), purpose="screening"
    )
    failpoint("request.before_commit")
    return job


def _store(
    actor: Actor,
    wish: Wish,
    digest: str,
    estimate: prices.Estimate,
    *,
    screened: list[moderation.Screened],
    blocked: bool,
    earlier: Job | None,
) -> Job:
    priority = job_rows.priority_of(wish)
    job = job_rows.build(
        actor,
        wish,
        digest=digest,
        fingerprint=repeats.fingerprint_of(wish),
        estimate=estimate,
        now=clock.now(),
        turn=turns.following(actor, priority=priority),
        screened=screened,
        blocked=blocked,
        earlier=earlier,
    )
    job.save(force_insert=True)
    request = wish.request
    for position, (picture, asset) in enumerate(
        zip(request.inputs, wish.input_assets, strict=True)
    ):
        extension = picture.media_type.partition("/")[2].replace("jpeg", "jpg")
        key, sha256 = storage.put("inputs", picture.data, extension=extension)
        JobInput.objects.create(
            job=job,
            position=position,
            role=picture.role.value,
            asset=asset,
            sha256=sha256,
            key=key,
            media_type=picture.media_type,
            width=picture.width,
            height=picture.height,
        )
    if wish.batch is not None:
        if wish.replaces is not None:
            batch_counts.reopened(wish.replaces)
        if job.is_final:
            batch_counts.ended(job)
    return job


def screen(wish: Wish) -> list[moderation.Screened]:
    """Have the site's screeners look at a wish's texts and input images."""
    found = [
        *moderation.screen_text(wish.request.prompt, where=_("prompt")),
        *moderation.screen_text(wish.request.negative_prompt, where=_("negative prompt")),
    ]
    for number, picture in enumerate(wish.request.inputs, start=1):
        found += moderation.screen_image(
            picture.data,
            media_type=picture.media_type,
            stage="input",
            where=_("input image %(number)s") % {"number": number},
        )
    return found


@use_case()
def _record_refusal(*, actor: Actor, wish: Wish, refusal: Refused) -> None:
    audit.record(
        actor,
        "job.denied",
        data={
            "operation": wish.request.operation,
            "model": wish.image_model.slug,
            "count": wish.request.count,
            "size": str(wish.request.size),
            "rule": refusal.code,
        },
        personal={"prompt": wish.request.prompt, "reason": refusal.why},
    )


def _known(actor: Actor, wish: Wish, digest: str) -> Job | None:
    """Return the job that this actor's key made before.

    :raises IdempotencyConflict: if it was made from another request.
    """
    if not wish.idempotency_key:
        return None
    job = Job.objects.filter(
        actor_kind=actor.kind, actor_id=actor.id, idempotency_key=wish.idempotency_key
    ).first()
    if job is None:
        return None
    if job.request_digest != digest:
        raise IdempotencyConflict(
            _("The job was not created."),
            why=_("Its idempotency key was already used for another job."),
            remedy=_("Use a new key for a new job."),
        )
    return job


def _earlier(wish: Wish) -> Job | None:
    """Return a finished job that answered exactly this wish, if the wish fixes its seed."""
    return repeats.earlier_of([wish]).get(repeats.fingerprint_of(wish))


def _blocked(job: Job) -> PromptBlocked:
    verdict = job.verdicts.filter(outcome="blocked").order_by("pk").first()
    where = verdict.where if verdict else ""
    advice = verdict.advice if verdict else ""
    return PromptBlocked(
        _("The content check blocked this request."),
        why=_("“%(screener)s” blocked this part: %(where)s.")
        % {"screener": verdict.screener if verdict else "", "where": where},
        remedy=f"{advice} {whom_to_ask()}".strip(),
        job=job,
    )
