"""Ask the site's screeners about prompts and images, and store their verdicts."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from django.utils.module_loading import import_string

from imagegen_app import conf
from imagegen_app.core import canonical, live_secrets
from imagegen_app.core.pricing import parse_cost
from imagegen_app.core.provider_text import provider_text
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.models import Verdict
from imagegen_app.moderation.base import Screener, ScreenerDecision, ScreenerFailed
from imagegen_app.services.foundation import event_log
from imagegen_app.services.gateways import decoding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Asset, Job

logger = logging.getLogger("imagegen.moderation")

#: Categories and scores of one decision; what is beyond is left out.
_MAX_WORDS = 50
#: The category of a decision that the setting `on_error` made, since the screener failed.
FAILED: Final = "screener_failed"


@dataclass(frozen=True, slots=True)
class UnsavedVerdict:
    """One screener's decision, not yet stored."""

    screener: str
    stage: str
    #: Which part was checked, as a code: `prompt`, `negative_prompt`, `input_image:2`.
    part: str
    decision: ScreenerDecision
    #: What the call cost, in the currency of the job.
    cost: Decimal = Decimal(0)


@lru_cache(maxsize=32)
def _build(backend: str, options: str) -> Screener:
    # Options are JSON text, since `lru_cache` needs hashable arguments.
    values = json.loads(options)
    live_secrets.remember_options(values)
    screener: Screener = import_string(backend)(**values)
    return screener


def screen_text(text: str, *, part: str) -> list[UnsavedVerdict]:
    """Have every screener of prompts check one text; `part` names it, as in `UnsavedVerdict`."""
    return [
        _ask(entry, lambda s: s.screen_text(text), stage="prompt", part=part)
        for entry in conf.get().screeners
        if "prompt" in entry.stages and text
    ]


def screen_image(data: bytes, *, media_type: str, stage: str, part: str) -> list[UnsavedVerdict]:
    """Have every screener of that stage (`input` or `output`) check one image.

    Outputs bear our marks by now; a screener gets their pixels only, as of input images.
    """
    if stage == "output" and any(stage in entry.stages for entry in conf.get().screeners):
        data, media_type = decoding.without_metadata(data, media_type)
    return [
        _ask(
            entry,
            lambda s: s.screen_image(data, media_type=media_type),
            stage=stage,
            part=part,
        )
        for entry in conf.get().screeners
        if stage in entry.stages
    ]


def price_of(stage: str) -> Decimal:
    """Return what it costs to have one text or image of that stage checked by all screeners."""
    entries = [entry for entry in conf.get().screeners if stage in entry.stages]
    return sum((Decimal(entry.price) for entry in entries), start=Decimal(0))


def cost_of(decisions: Iterable[UnsavedVerdict]) -> Decimal:
    """Return the total cost of decisions."""
    return sum((decision.cost for decision in decisions), start=Decimal(0))


def is_blocked(decisions: Iterable[UnsavedVerdict]) -> bool:
    """Return whether one of the screeners blocked."""
    return any(d.decision.outcome is VerdictOutcome.BLOCKED for d in decisions)


def build_verdicts(
    job: Job, decisions: Iterable[UnsavedVerdict], *, asset: Asset | None = None
) -> list[Verdict]:
    """Return unsaved `Verdict` rows for what screeners decided."""
    return [
        Verdict(
            job=job,
            asset=asset,
            stage=decision.stage,
            screener=decision.screener,
            outcome=decision.decision.outcome.value,
            categories=list(decision.decision.categories),
            scores=dict(decision.decision.scores),
            part=decision.part,
            remedy=decision.decision.remedy,
            cost=decision.cost,
        )
        for decision in decisions
    ]


def entries(
    job: Job, decisions: Iterable[UnsavedVerdict], *, asset: Asset | None = None
) -> list[event_log.NewEvent]:
    """Return the audit events for what screeners decided, or failed to."""
    return [
        event_log.NewEvent(
            "moderation.screener_failed"
            if FAILED in decision.decision.categories
            else "moderation.decided",
            subject=job,
            job=job,
            asset=asset,
            data={
                "screener": decision.screener,
                "decision": decision.decision.outcome,
                "subject": decision.part,
                "stage": decision.stage,
                "categories": list(decision.decision.categories),
                "scores": dict(decision.decision.scores),
                "cost": decision.cost,
            },
        )
        for decision in decisions
    ]


def store_verdicts(
    *, actor: Actor, job: Job, decisions: Iterable[UnsavedVerdict], asset: Asset | None = None
) -> None:
    """Store verdicts with their events; joins the caller's transaction."""
    decisions = list(decisions)
    Verdict.objects.bulk_create(build_verdicts(job, decisions, asset=asset))
    event_log.record_many(actor, entries(job, decisions, asset=asset))


def _ask(entry: conf.ScreenerSettings, question: Any, *, stage: str, part: str) -> UnsavedVerdict:
    cost = Decimal(0)
    try:
        decision = _cleaned(question(_build(entry.backend, canonical.dumps(entry.options))))
        cost = Decimal(entry.price) if decision.cost is None else parse_cost(decision.cost)
    except ScreenerFailed:
        decision = _failure_decision(entry)
    except Exception:
        logger.exception("The content check %s failed.", entry.name)
        decision = _failure_decision(entry)
    return UnsavedVerdict(entry.name, stage, part, decision, cost)


def _cleaned(decision: ScreenerDecision) -> ScreenerDecision:
    """Return a decision whose values can be stored: the image that it is about may be paid for."""
    words = (provider_text(one, max_chars=60) for one in tuple(decision.categories)[:_MAX_WORDS])
    scores = {
        provider_text(name, max_chars=60): provider_text(str(score), max_chars=40)
        for name, score in list(decision.scores.items())[:_MAX_WORDS]
    }
    return replace(
        decision,
        outcome=VerdictOutcome(decision.outcome),
        categories=tuple(word for word in words if word),
        scores=scores,
        remedy=provider_text(decision.remedy, max_chars=300),
    )


def _failure_decision(entry: conf.ScreenerSettings) -> ScreenerDecision:
    """Return the decision for a screener that failed, as its `on_error` setting says."""
    outcome = VerdictOutcome.PASSED if entry.on_error == "pass" else VerdictOutcome.BLOCKED
    return ScreenerDecision(
        outcome=outcome,
        categories=(FAILED,),
        remedy="The content check could not decide; try again in a few minutes.",
    )
