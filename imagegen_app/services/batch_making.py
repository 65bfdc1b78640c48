"""Make a batch's jobs in chunks: rendered, screened, priced, reserved and logged, many at once.

A worker does it between its other steps. The batch's cursor moves in the transaction of its chunk,
so that a killed worker leaves no row out and makes none twice.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db.models import F, Q
from django.utils.translation import gettext as _

from imagegen_app.core.actors import Person, System
from imagegen_app.core.failpoints import failpoint
from imagegen_app.core.states import JobState
from imagegen_app.models import Batch, Job, Verdict
from imagegen_app.models.amounts import amount as exact
from imagegen_app.services import (
    again,
    audit,
    batch_counts,
    budgets,
    chains,
    clock,
    job_rows,
    moderation,
    prices,
    repeats,
    requests,
    targets,
    turns,
    wishes,
)
from imagegen_app.services.access import Refused
from imagegen_app.services.unit import use_case

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from django.db.models import Model, QuerySet

    from imagegen_app.core.actors import Actor
    from imagegen_app.services.moderation import Screened
    from imagegen_app.services.wishes import Wish

logger = logging.getLogger("imagegen.batches")

#: Rows of one transaction.
CHUNK = 500
#: Faulty rows that a batch remembers by name; the others are counted.
MOST_FAULTS = 100


class _AnotherWorker(RuntimeError):
    """Another worker makes this batch's next rows."""


@dataclass(slots=True)
class _Chunk:
    """Rows that become jobs together."""

    wishes: list[tuple[Wish, list[Screened]]]
    faults: list[dict[str, str]]


def advance() -> bool:
    """Make the next chunk of some batch; return whether there was one to make."""
    batch = _next()
    if batch is None:
        return False
    try:
        _step(batch)
    except _AnotherWorker:
        return False
    except budgets.OverBudget:
        batch_counts.pause(batch, reason="budget", actor=batch_counts.RULES)
    except Refused as refusal:
        logger.warning("The batch %s was paused: %s", batch.pk, refusal.code)
        batch_counts.pause(batch, reason="refused", actor=batch_counts.RULES)
    return True


def is_waiting() -> bool:
    """Say whether rows of some batch wait to become jobs."""
    return _next() is not None


def values_for(
    instance: Model, *, mapping: Mapping[str, str], fixed: Mapping[str, str]
) -> dict[str, str]:
    """Return what a template's variables are for one object."""
    values = {name: targets.value_at(instance, path) for name, path in mapping.items() if path}
    return values | {name: value for name, value in fixed.items() if value}


def failed_rows(batch: Batch, *, until: datetime) -> QuerySet[Job]:
    """Return the jobs that ended without images by then and were not requested again.

    A pass that had nothing to work on comes again with the job that failed before it.
    """
    found: QuerySet[Job] = Job.objects.filter(
        batch=batch,
        state__in=[JobState.FAILED.value, JobState.EXPIRED.value, JobState.CANCELLED.value],
        finished_at__lte=until,
        replacements__isnull=True,
    ).exclude(error_code=chains.STEP_MISSING)
    return found


def _next() -> Batch | None:
    unprepared = Q(prepared__lt=F("row_count")) & (
        Q(pilot=0) | Q(released_at__isnull=False) | Q(prepared__lt=F("pilot"))
    )
    found: Batch | None = (
        Batch.objects.filter(
            unprepared | Q(redo_at__isnull=False), cancelled_at__isnull=True, paused_at__isnull=True
        )
        .select_related("template_version__template", "image_model__provider", "requester")
        .order_by("created_at")
        .first()
    )
    return found


def _step(batch: Batch) -> None:
    actor = _actor(batch)
    if batch.redo_at is not None:
        _again(batch, actor)
    else:
        _prepare(batch, actor)


@use_case()
def _prepare(batch: Batch, actor: Actor) -> None:
    end = batch.row_count
    if batch.pilot and batch.released_at is None:
        end = min(end, batch.pilot)
    keys = batch.rows[batch.prepared : min(end, batch.prepared + CHUNK)]
    # First of all, so that another worker waits here, and then finds the cursor moved.
    moved = Batch.objects.filter(pk=batch.pk, prepared=batch.prepared, paused_at=None).update(
        prepared=F("prepared") + len(keys)
    )
    if not moved:
        raise _AnotherWorker
    chunk = _compose(batch, actor, keys)
    jobs = _store(batch, actor, chunk)
    failpoint("batch.create_mid_chunk")
    cost = sum((job.estimated_cost for job in jobs), start=batch.spent * 0)
    room = max(0, MOST_FAULTS - len(batch.faults))
    Batch.objects.filter(pk=batch.pk).update(
        total=F("total") + len(jobs),
        estimated=F("estimated") + exact(cost),
        faults=[*batch.faults, *chunk.faults[:room]],
    )
    for job in jobs:
        if job.is_final:
            batch_counts.ended(job)
    prepared = batch.prepared + len(keys)
    if batch.pilot and batch.released_at is None and prepared >= batch.pilot:
        # What was made of the pilot goes on; only the rest waits.
        Batch.objects.filter(pk=batch.pk, paused_at=None).update(
            paused_at=clock.now(), pause_reason="pilot"
        )
        audit.record(
            batch_counts.RULES, "batch.paused", subject=batch, data={"reason_code": "pilot"}
        )


def _compose(batch: Batch, actor: Actor, keys: Sequence[str]) -> _Chunk:
    target = targets.by_path(str(batch.mapping.get("target", "")))
    manager: Any = None if target is None else target.model._default_manager  # noqa: SLF001 - Django's documented API
    found = {} if manager is None else {str(o.pk): o for o in manager.filter(pk__in=keys)}
    chunk = _Chunk([], [])
    composed: list[Wish] = []
    for key in keys:
        instance = found.get(key)
        if instance is None:
            chunk.faults.append({"row": key, "why": _("It no longer exists.")})
            continue
        try:
            wish = _wish(batch, actor, instance, key)
        except Refused as refusal:
            chunk.faults.append({"row": str(instance)[:120], "why": refusal.why[:200]})
        else:
            composed.append(wish)
    estimate = prices.price(composed[0]) if composed else None
    if estimate is not None and estimate.screening:
        # Screeners are not paid for rows that cannot be.
        together = estimate.total.amount * len(composed)
        budgets.demand_room(actor, batch.image_model, amount=together)
    chunk.wishes.extend((wish, requests.screen(wish)) for wish in composed)
    return chunk


def _wish(batch: Batch, actor: Actor, instance: Model, key: str) -> Wish:
    values = values_for(
        instance,
        mapping=batch.mapping.get("variables", {}),
        fixed=batch.mapping.get("fixed", {}),
    )
    wish = wishes.compose(
        actor=actor,
        template=batch.template_version,
        variables=values,
        model=batch.image_model,
        row_key=key,
        batch=batch,
    )
    return replace(wish, idempotency_key=f"{batch.pk}:{key}"[:128])


def _store(batch: Batch, actor: Actor, chunk: _Chunk) -> list[Job]:
    """Store the jobs of a chunk with all that belongs to them, in a dozen statements."""
    if not chunk.wishes:
        return []
    first = chunk.wishes[0][0]
    decision = requests.demand_granted(actor, first)
    now = clock.now()
    turn = turns.following(actor, priority=job_rows.BATCH_PRIORITY)
    earlier = repeats.earlier_of([wish for wish, _screened in chunk.wishes])
    jobs: list[Job] = []
    entries: list[audit.Entry] = []
    verdicts: list[Verdict] = []
    # All rows of a batch are alike but for their prompts.
    estimate = prices.price(first)
    for number, (wish, screened) in enumerate(chunk.wishes):
        fingerprint = repeats.fingerprint_of(wish)
        blocked = moderation.is_blocked(screened)
        job = job_rows.build(
            actor,
            wish,
            digest=repeats.digest_of(wish, fingerprint=fingerprint),
            fingerprint=fingerprint,
            estimate=estimate,
            now=now,
            turn=turn + number,
            screened=screened,
            blocked=blocked,
            earlier=None if blocked else earlier.get(fingerprint),
        )
        jobs.append(job)
        verdicts += moderation.verdicts(job, screened)
        entries += _entries(wish, job, screened, rule=decision.rule)
        if not job.is_final:
            following = chains.build(job, wish.steps)
            jobs += following
            entries += [chains.entry(one) for one in following]
    Job.objects.bulk_create(jobs, batch_size=1000)
    Verdict.objects.bulk_create(verdicts, batch_size=1000)
    audit.record_many(actor, entries)
    for some in _by_model([job for job in jobs if not job.is_final]):
        budgets.reserve_many(actor=actor, jobs=some, batch=batch)
    for job in jobs:
        budgets.charge_extra(actor=actor, job=job, amount=job.screening_cost, purpose="screening")
    return jobs


def _by_model(jobs: Iterable[Job]) -> list[list[Job]]:
    """Sort jobs by their model: the budgets that apply are a provider's, too."""
    found: dict[int, list[Job]] = {}
    for job in jobs:
        found.setdefault(job.image_model_id, []).append(job)
    return [found[key] for key in sorted(found)]


def _entries(wish: Wish, job: Job, screened: Iterable[Screened], *, rule: str) -> list[audit.Entry]:
    data = job_rows.facts(wish, job=job, rule=rule)
    # What passed is told with the request; what was refused has an entry of its own.
    data["screened"] = {f"{s.screener}, {s.where}": s.finding.outcome.value for s in screened}
    entries = [
        audit.Entry(
            "job.requested",
            subject=job,
            job=job,
            data=data,
            personal={
                "prompt": wish.request.prompt,
                "negative_prompt": wish.request.negative_prompt,
            },
        )
    ]
    if job.state == JobState.BLOCKED:
        categories = sorted({c for s in screened for c in s.finding.categories})
        entries.append(
            audit.Entry("job.blocked", subject=job, job=job, data={"categories": categories})
        )
    elif job.cached_from_id is not None:
        entries.append(
            audit.Entry("job.cached", subject=job, job=job, data={"earlier": job.cached_from_id})
        )
    return entries


def _again(batch: Batch, actor: Actor) -> None:
    """Request the next failed rows again, each under the present rules and prices."""
    if batch.redo_at is None:
        return
    jobs = list(
        failed_rows(batch, until=batch.redo_at)
        .select_related("template_version__template", "image_model__provider", "batch")
        .order_by("pk")[: CHUNK // 10]
    )
    refused = 0
    for job in jobs:
        try:
            requests.request_images(actor=actor, wish=again.compose(actor=actor, job=job))
        except requests.PromptBlocked:
            continue
        except budgets.OverBudget:
            _stop_redoing(batch)
            raise
        except Refused:
            refused += 1
    if refused == len(jobs):
        _stop_redoing(batch)


@use_case(silent=True)
def _stop_redoing(batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(redo_at=None)


def _actor(batch: Batch) -> Actor:
    if batch.requester_id is None:
        return System(batch.actor_id)
    # Fresh, so that what was taken from the person since holds at once.
    return Person(get_user_model().objects.get(pk=batch.requester_id))
