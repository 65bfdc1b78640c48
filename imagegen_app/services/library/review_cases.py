"""Put together what a person has to know to decide about one image, and what they may decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from imagegen_app.core.states import REVIEW_TRANSITIONS, ReviewState, VerdictOutcome
from imagegen_app.models import Asset, Placement
from imagegen_app.services.foundation import stored_messages
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.jobs import pass_chain
from imagegen_app.services.library import (
    planned_places,
    review,
    review_checklist,
    review_decisions,
    review_requests,
    summary,
)
from imagegen_app.services.library.review_decisions import DecisionKind
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Verdict


@dataclass(frozen=True, slots=True)
class VerdictLine:
    """What one content check said, in words."""

    #: "good", "warn" or "bad", as chips are coloured.
    tone: str
    outcome: str
    text: str
    #: What it found, such as "violence 0.71".
    details: str


@dataclass(frozen=True, slots=True)
class PlaceLine:
    """Where an image is shown, or is going to be."""

    text: str
    is_shown: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """A decision that a person may take, or why not."""

    kind: DecisionKind
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class ReviewCase:
    """One image as a reviewer sees it."""

    asset: Asset
    shown: review_decisions.Shown
    offers: tuple[Offer, ...]
    #: Why it cannot be approved by this person, said before they press; empty if it can.
    why_not: str
    questions: tuple[review_checklist.Question, ...]
    can_send: bool
    can_take_back: bool

    @property
    def can_decide(self) -> bool:
        """Whether any decision is open to the person."""
        return any(not one.why_not for one in self.offers)


def describe_case(
    actor: Actor, asset: Asset, *, answers: Mapping[str, str] | None = None
) -> ReviewCase:
    """Return what the actor may decide about an image, with answers that were given just now."""
    state = ReviewState(asset.review_state)
    offers = _offers(actor, asset, state)
    no_approval = next(
        (one.why_not for one in offers if one.kind is DecisionKind.APPROVE and one.why_not), ""
    )
    is_pending = state is ReviewState.PENDING and not asset.hard_category
    may_send = review_requests.is_own(actor, asset) or (
        access.has_permission(actor, "place_asset") and access.has_permission(actor, "view_asset")
    )
    return ReviewCase(
        asset=asset,
        shown=review_decisions.shown(asset),
        offers=offers,
        why_not=no_approval,
        questions=review_checklist.questions(
            asset.checklist_answers if answers is None else answers
        )
        if offers
        else (),
        can_send=is_pending
        and asset.review_requested_at is None
        and not asset.is_intermediate
        and may_send,
        can_take_back=is_pending
        and asset.review_requested_at is not None
        and review_requests.is_own(actor, asset),
    )


def _offers(actor: Actor, asset: Asset, state: ReviewState) -> tuple[Offer, ...]:
    if asset.is_intermediate or asset.hard_category or not _is_reviewer(actor, asset):
        return ()
    found = []
    if ReviewState.APPROVED in REVIEW_TRANSITIONS[state]:
        why_not = review.refusal_reason(actor, asset, ReviewState.APPROVED, asks_checklist=True)
        found.append(Offer(DecisionKind.APPROVE, why_not))
        found.append(Offer(DecisionKind.APPROVE_WITH_LABEL, why_not))
    is_waiting = state is ReviewState.PENDING and asset.review_requested_at is not None
    may_hand_on = access.has_permission(actor, "approve_asset") or access.has_permission(
        actor, review_requests.DECIDE_ESCALATED
    )
    if is_waiting and may_hand_on:
        found.append(Offer(DecisionKind.REQUEST_CHANGES))
    if ReviewState.REJECTED in REVIEW_TRANSITIONS[state]:
        why_not = review.refusal_reason(actor, asset, ReviewState.REJECTED)
        found.append(Offer(DecisionKind.REJECT, why_not))
    if is_waiting and may_hand_on and asset.escalated_at is None:
        found.append(Offer(DecisionKind.ESCALATE))
    return tuple(found)


def _is_reviewer(actor: Actor, asset: Asset) -> bool:
    names = ["approve_asset"]
    if review.is_escalated(asset):
        names.append(review_requests.DECIDE_ESCALATED)
    return review.may_review_own(actor, asset) or any(
        access.has_permission(actor, name) for name in names
    )


@dataclass(frozen=True, slots=True)
class ReviewerAnswer:
    """What the review desk answered to the author of an image that it did not approve."""

    #: What was decided, with the reason, in a sentence.
    sentence: str
    #: What the reviewer wrote; empty for nothing.
    note: str


def answer_to_author(asset: Asset) -> ReviewerAnswer | None:
    """Return what a reviewer answered; None while an image waits, and once it is approved.

    Who rejects a draft of their own knows why: they get no answer.
    """
    if asset.review_state == ReviewState.PENDING.value:
        if asset.sent_back_at is None or asset.review_requested_at is not None:
            return None
        return ReviewerAnswer(_("A reviewer sent it back."), asset.review_note)
    if asset.review_state != ReviewState.REJECTED.value:
        return None
    if asset.reviewed_by_id == asset.job.requester_id and not asset.review_note:
        return None
    if not asset.rejection_reason:
        return ReviewerAnswer(_("A reviewer rejected it."), asset.review_note)
    reason = asset.get_rejection_reason_display()
    return ReviewerAnswer(
        _("A reviewer rejected it: %(reason)s.") % {"reason": reason}, asset.review_note
    )


def story_of(reader: Actor, asset: Asset) -> list[str]:
    """Return how the image was made and where its review stands, in sentences."""
    return [*summary.origin_sentences(reader, asset), *summary.review_sentences(asset)]


def verdict_lines(asset: Asset) -> list[VerdictLine]:
    """Return what the content checks said of the request and its image, the gravest first."""
    tones = {VerdictOutcome.BLOCKED.value: "bad", VerdictOutcome.HELD.value: "warn"}
    order = ["bad", "warn", "good"]
    lines = [
        VerdictLine(
            tone=tones.get(one.outcome, "good"),
            outcome=one.get_outcome_display(),
            text=_("%(part)s, by “%(screener)s”")
            % {
                "part": capfirst(stored_messages.screened_part(one.part)),
                "screener": one.screener,
            },
            details=_details(one),
        )
        for one in summary.verdicts_of(asset)
    ]
    return sorted(lines, key=lambda line: order.index(line.tone))


def _details(verdict: Verdict) -> str:
    scores: Mapping[str, Any] = verdict.scores if isinstance(verdict.scores, dict) else {}
    return ", ".join(f"{name} {scores.get(name, '')}".strip() for name in verdict.categories)


def places_of(asset: Asset) -> list[PlaceLine]:
    """Return where an image is shown now, or is going to be once it is approved."""
    active = Placement.objects.active().filter(asset=asset).select_related("content_type")
    found = [
        PlaceLine(
            _("%(content)s: %(field)s")
            % {"content": one.object_label or one.object_id, "field": one.field},
            is_shown=asset.review_state == ReviewState.APPROVED.value,
        )
        for one in active.order_by("pk")[:10]
    ]
    return found or _planned(asset)


def _planned(asset: Asset) -> list[PlaceLine]:
    """Return the object that a batch has made the image for."""
    job = pass_chain.root_job(asset.job)
    if job.batch is None or not job.row_key:
        return []
    target = planned_places.target_of(job.batch, job.shot)
    if target is None:
        return []
    meta = target.model._meta  # noqa: SLF001 - Django's documented API
    label = str(getattr(meta.get_field(target.field), "verbose_name", target.field))
    manager = target.model._default_manager  # noqa: SLF001 - Django's documented API
    key = content_fields.parse_key(target.model, job.row_key)
    row = None if key is None else manager.filter(pk=key).first()
    content = job.row_key if row is None else str(row)
    return [PlaceLine(_("%(content)s: %(field)s") % {"content": content, "field": label}, False)]
