"""Ask the site's screeners, keep their verdicts, and refuse what they refuse."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.utils.module_loading import import_string

from imagegen_app import conf
from imagegen_app.core import canonical
from imagegen_app.core.pricing import amount_of
from imagegen_app.core.states import Outcome
from imagegen_app.models import Verdict
from imagegen_app.moderation.base import Finding, Screener, ScreenerFailed
from imagegen_app.services.foundation import event_log

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Asset, Job

logger = logging.getLogger("imagegen.moderation")


@dataclass(frozen=True, slots=True)
class Screened:
    """One screener's decision, not yet stored."""

    screener: str
    stage: str
    #: Which part it was about, as a code: `prompt`, `negative_prompt`, `input_image:2`.
    where: str
    finding: Finding
    #: What the call cost, in the currency of the job.
    cost: Decimal = Decimal(0)


@lru_cache(maxsize=32)
def _build(backend: str, options: str) -> Screener:
    # Options come as text, which is what a cache can hold.
    screener: Screener = import_string(backend)(**json.loads(options))
    return screener


def screen_text(text: str, *, where: str) -> list[Screened]:
    """Have every screener of prompts read one text."""
    return [
        _ask(entry, lambda s: s.screen_text(text), stage="prompt", where=where)
        for entry in conf.get().screeners
        if "prompt" in entry.stages and text
    ]


def screen_image(data: bytes, *, media_type: str, stage: str, where: str) -> list[Screened]:
    """Have every screener of that stage (`input` or `output`) look at one picture."""
    return [
        _ask(
            entry,
            lambda s: s.screen_image(data, media_type=media_type),
            stage=stage,
            where=where,
        )
        for entry in conf.get().screeners
        if stage in entry.stages
    ]


def price_of(stage: str) -> Decimal:
    """Return what it costs to have one text or picture of that stage looked at by all screeners."""
    entries = [entry for entry in conf.get().screeners if stage in entry.stages]
    return sum((Decimal(entry.price) for entry in entries), start=Decimal(0))


def cost_of(decisions: Iterable[Screened]) -> Decimal:
    """Return what decisions cost together."""
    return sum((decision.cost for decision in decisions), start=Decimal(0))


def is_blocked(decisions: Iterable[Screened]) -> bool:
    """Say whether one of the screeners refused."""
    return any(d.finding.outcome is Outcome.BLOCKED for d in decisions)


def verdicts(
    job: Job, decisions: Iterable[Screened], *, asset: Asset | None = None
) -> list[Verdict]:
    """Return the rows that hold what screeners decided; they are not stored."""
    return [
        Verdict(
            job=job,
            asset=asset,
            stage=decision.stage,
            screener=decision.screener,
            outcome=decision.finding.outcome.value,
            categories=list(decision.finding.categories),
            scores=dict(decision.finding.scores),
            where=decision.where,
            advice=decision.finding.advice,
            cost=decision.cost,
        )
        for decision in decisions
    ]


def entries(
    job: Job, decisions: Iterable[Screened], *, asset: Asset | None = None
) -> list[event_log.Entry]:
    """Return the events that tell what screeners decided."""
    return [
        event_log.Entry(
            "moderation.verdict",
            subject=job,
            job=job,
            asset=asset,
            data={
                "screener": decision.screener,
                "decision": decision.finding.outcome,
                "subject": decision.where,
                "stage": decision.stage,
                "categories": list(decision.finding.categories),
                "scores": dict(decision.finding.scores),
                "cost": decision.cost,
            },
        )
        for decision in decisions
    ]


def keep(
    *, actor: Actor, job: Job, decisions: Iterable[Screened], asset: Asset | None = None
) -> None:
    """Store verdicts with their events; joins the caller's transaction."""
    decisions = list(decisions)
    Verdict.objects.bulk_create(verdicts(job, decisions, asset=asset))
    event_log.record_many(actor, entries(job, decisions, asset=asset))


def _ask(entry: conf.ScreenerSettings, question: Any, *, stage: str, where: str) -> Screened:
    cost = Decimal(0)
    try:
        found: Finding = question(_build(entry.backend, canonical.dumps(entry.options)))
        cost = Decimal(entry.price) if found.cost is None else amount_of(found.cost)
    except ScreenerFailed:
        found = _failed(entry)
    except Exception:
        logger.exception("The content check %s failed.", entry.name)
        found = _failed(entry)
    return Screened(entry.name, stage, where, found, cost)


def _failed(entry: conf.ScreenerSettings) -> Finding:
    outcome = Outcome.PASSED if entry.on_error == "pass" else Outcome.BLOCKED
    return Finding(
        outcome=outcome,
        categories=("screener_failed",),
        advice="The content check could not decide; try again in a few minutes.",
    )
