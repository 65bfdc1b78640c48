"""Ask the site's screeners about prompts and images, and store their verdicts."""

from __future__ import annotations

import logging
import time
import traceback
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django.utils.module_loading import import_string

from imagegen_app import conf
from imagegen_app.core.hard_categories import HardCategory
from imagegen_app.core.pricing import PriceUnknown, parse_cost
from imagegen_app.core.provider_text import provider_text
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.models import Verdict
from imagegen_app.moderation.base import Screener, ScreenerDecision, ScreenerFailed
from imagegen_app.moderation.hosted import InvalidOption
from imagegen_app.services.foundation import event_log
from imagegen_app.services.gateways import (
    configured_objects,
    decoding,
    storage,
    usable_credentials,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Asset, Job

logger = logging.getLogger("imagegen.moderation")

#: Errors of screeners whose messages are in our own words, without what was screened.
PLAIN_ERRORS: Final = (ScreenerFailed, InvalidOption)
#: Categories and scores of one decision; what is beyond is left out.
_MAX_WORDS = 50
#: The category of a decision that the setting `on_error` made, since the screener failed.
FAILED: Final = "screener_failed"
#: Why a billed screener without a price is not asked.
UNPRICED: Final = "its calls are billed, and it has no PRICE in IMAGEGEN['SCREENERS']"


#: Where the classes are that come with this package.
_OURS: Final = "imagegen_app.moderation."
_limit = configured_objects.TimeLimit("imagegen-screener", failure=ScreenerFailed)


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
    #: Why the screener could not decide, in words without its content; empty if it could.
    failure: str = ""
    #: How long it took.
    seconds: float = 0.0
    #: The SHA-256 of the file of an image; empty for a text.
    content_sha256: str = ""


def build_screener(entry: conf.ScreenerSettings, *, is_check: bool = False) -> Screener:
    """Return the screener of an entry of the settings; one that asks a service gets its credential.

    For a system check (`is_check`) the database is not asked whether the credential was revoked.

    :raises CredentialUnusable: if the settings have no credential of its name, or it must not be used.
    :raises Exception: whatever its class raises, such as for an option that it does not know.
    """
    screener: Screener = configured_objects.build(entry.backend, entry.options, is_check=is_check)
    return screener


def lacks_price(entry: conf.ScreenerSettings, screener: Screener) -> bool:
    """Return whether calls of a screener are billed, and neither settings nor answers say how much."""
    is_billed = bool(getattr(screener, "is_billed", False))
    return is_billed and not Decimal(entry.price) and not getattr(screener, "reports_cost", False)


def screen_text(text: str, *, part: str) -> list[UnsavedVerdict]:
    """Have every screener of prompts check one text; `part` names it, as in `UnsavedVerdict`."""
    return [
        _ask(entry, lambda s: s.screen_text(text), stage="prompt", part=part)
        for entry in conf.get().screeners
        if "prompt" in entry.stages and text
    ]


def screen_text_here(text: str, *, part: str) -> list[UnsavedVerdict]:
    """Have those screeners of prompts check a text that ask no service and cost nothing."""
    return [
        _ask(entry, lambda s: s.screen_text(text), stage="prompt", part=part)
        for entry in conf.get().screeners
        if "prompt" in entry.stages
        and text
        and not is_hosted(entry.backend)
        and not Decimal(entry.price)
    ]


def screen_image(
    data: bytes, *, media_type: str, stage: str, part: str, sha256: str = ""
) -> list[UnsavedVerdict]:
    """Have every screener of that stage (`input` or `output`) check one image.

    Outputs bear our marks by now; a screener gets their pixels only, as of input images. `sha256`
    is the hash of the file as it came, where that is another one.
    """
    sha256 = sha256 or storage.file_hash(data)
    if stage == "output" and is_screened(stage):
        data, media_type = decoding.without_metadata(data, media_type)
    return [
        ask_about_image(entry, data, media_type=media_type, stage=stage, part=part, sha256=sha256)
        for entry in conf.get().screeners
        if stage in entry.stages
    ]


def ask_about_image(
    entry: conf.ScreenerSettings,
    data: bytes,
    *,
    media_type: str,
    stage: str,
    part: str,
    sha256: str,
) -> UnsavedVerdict:
    """Have one screener check one image, given the pixels that it gets and the file's hash."""
    verdict = _ask(
        entry, lambda s: s.screen_image(data, media_type=media_type), stage=stage, part=part
    )
    return replace(verdict, content_sha256=sha256)


def is_screened(stage: str) -> bool:
    """Return whether any screener checks texts or images of that stage."""
    return any(stage in entry.stages for entry in conf.get().screeners)


def asks_a_service(*stages: str) -> bool:
    """Return whether a screener of one of these stages calls a service for each text or image."""
    return any(
        is_hosted(entry.backend)
        for entry in conf.get().screeners
        if set(stages) & set(entry.stages)
    )


def is_hosted(backend: str) -> bool:
    """Return whether a class asks a service; False for one that cannot be imported."""
    try:
        return bool(getattr(import_string(backend), "needs_connection", False))
    except ImportError:
        # Each question to it fails, and says so.
        return False


def judges_images(backend: str) -> bool:
    """Return whether a class decides about images; True for one that cannot be imported."""
    try:
        return bool(getattr(import_string(backend), "judges_images", True))
    except ImportError:
        # Each question to it fails, and says so.
        return True


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


def hard_category_of(decisions: Iterable[UnsavedVerdict]) -> HardCategory | None:
    """Return the hard category among decisions, which nobody can release; None if there is none."""
    found = {d.decision.hard_category for d in decisions}
    return next((one for one in HardCategory if one in found), None)


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
            model=decision.decision.model,
            hard_category=decision.decision.hard_category or "",
            # Only what will never be stored has to be recognised by its hash.
            content_sha256=decision.content_sha256 if decision.decision.hard_category else "",
        )
        for decision in decisions
    ]


def entries(
    job: Job, decisions: Iterable[UnsavedVerdict], *, asset: Asset | None = None
) -> list[event_log.NewEvent]:
    """Return the audit events for what screeners decided, or failed to."""
    return [
        event_log.NewEvent(
            _event_kind(decision.decision),
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
                **_model_and_hard_category(decision),
            },
        )
        for decision in decisions
    ]


def _event_kind(decision: ScreenerDecision) -> str:
    if decision.hard_category is not None:
        return "moderation.hard_category_found"
    if FAILED in decision.categories:
        return "moderation.screener_failed"
    return "moderation.decided"


def _model_and_hard_category(decision: UnsavedVerdict) -> dict[str, str]:
    facts = {
        "screener_model": decision.decision.model,
        "hard_category": str(decision.decision.hard_category or ""),
        "sha256": decision.content_sha256 if decision.decision.hard_category else "",
    }
    return {name: value for name, value in facts.items() if value}


def store_verdicts(
    *, actor: Actor, job: Job, decisions: Iterable[UnsavedVerdict], asset: Asset | None = None
) -> None:
    """Store verdicts with their events; joins the caller's transaction."""
    decisions = list(decisions)
    Verdict.objects.bulk_create(build_verdicts(job, decisions, asset=asset))
    event_log.record_many(actor, entries(job, decisions, asset=asset))


def _ask(entry: conf.ScreenerSettings, question: Any, *, stage: str, part: str) -> UnsavedVerdict:
    cost, began = Decimal(0), time.monotonic()
    failure = ""
    try:
        screener = build_screener(entry)
        _require_price(entry, screener)
        decision = _cleaned(answer_within_limit(entry, lambda: question(screener)))
        cost = _cost_of(decision, entry)
    except (ScreenerFailed, usable_credentials.CredentialUnusable) as error:
        failure = provider_text(str(error), max_chars=200) or FAILED
        logger.warning("The content check %s could not decide: %s.", entry.name, failure)
        if isinstance(error, ScreenerFailed) and error.is_answered:
            cost = Decimal(entry.price)
        decision = _failure_decision(entry)
    except Exception as error:  # noqa: BLE001 - a site's own class may raise anything
        failure = type(error).__name__
        # Neither its message nor its values: they may repeat the prompt.
        logger.error(  # noqa: TRY400
            "The content check %s failed: %s in %s.", entry.name, failure, _place_of(error)
        )
        decision = _failure_decision(entry)
    return UnsavedVerdict(
        entry.name,
        stage,
        part,
        decision,
        cost,
        failure=failure,
        seconds=time.monotonic() - began,
    )


def answer_within_limit(entry: conf.ScreenerSettings, question: Callable[[], Any]) -> Any:
    """Return what a screener answers, if it does so within its limit of time.

    Those of this package have limits of their own, and are asked here.

    :raises ScreenerFailed: if it does not.
    :raises Exception: whatever a site's own class raises.
    """
    if not entry.seconds or entry.backend.startswith(_OURS):
        return question()
    return _limit.call(entry.seconds, question)


def _cost_of(decision: ScreenerDecision, entry: conf.ScreenerSettings) -> Decimal:
    try:
        return Decimal(entry.price) if decision.cost is None else parse_cost(decision.cost)
    except PriceUnknown:
        if decision.hard_category is None:
            raise
        # What was found counts, whatever else is wrong: ON_ERROR must not open it.
        return Decimal(entry.price)


def _require_price(entry: conf.ScreenerSettings, screener: Screener) -> None:
    if lacks_price(entry, screener):
        raise ScreenerFailed(UNPRICED)


def _place_of(error: Exception) -> str:
    """Return where an error was raised, as file, line and function."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}:{frame.lineno} ({frame.name})"


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
        # A class of a site's own may hand on whatever has these names.
        hard_category=getattr(decision, "hard_category", None) or None,
    )


def _failure_decision(entry: conf.ScreenerSettings) -> ScreenerDecision:
    """Return the decision for a screener that failed, as its `on_error` setting says."""
    outcome = VerdictOutcome.PASSED if entry.on_error == "pass" else VerdictOutcome.BLOCKED
    return ScreenerDecision(
        outcome=outcome,
        categories=(FAILED,),
        remedy="The content check could not decide; try again in a few minutes.",
    )
