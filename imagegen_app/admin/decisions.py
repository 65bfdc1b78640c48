"""Show the decisions about an image on a page, and read the one that was pressed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.core.states import RejectionReason
from imagegen_app.models.labels import choices
from imagegen_app.services.library import review_cases, review_requests
from imagegen_app.services.library.review_decisions import (
    APPROVALS,
    Decision,
    DecisionKind,
    Shown,
)
from imagegen_app.services.policy import reviewers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.utils.functional import _StrPromise

    from imagegen_app.core.actors import Person
    from imagegen_app.models import Asset

#: The label of each decision, its key, and how its button looks.
_BUTTONS: dict[DecisionKind, tuple[_StrPromise, str, str]] = {
    DecisionKind.APPROVE: (gettext_lazy("Approve"), "a", "imagegen-primary"),
    DecisionKind.APPROVE_WITH_LABEL: (gettext_lazy("Approve with label"), "l", ""),
    DecisionKind.REQUEST_CHANGES: (gettext_lazy("Request changes"), "r", ""),
    DecisionKind.REJECT: (gettext_lazy("Reject"), "x", "is-danger"),
    DecisionKind.ESCALATE: (gettext_lazy("Escalate"), "e", "is-quiet"),
}
#: The field that a decision needs, and what is said without it.
_NEEDS: dict[DecisionKind, tuple[str, _StrPromise]] = {
    DecisionKind.REQUEST_CHANGES: ("note", gettext_lazy("Say in the note what to change.")),
    DecisionKind.ESCALATE: ("note", gettext_lazy("Say in the note why others should decide.")),
    DecisionKind.REJECT: ("reason", gettext_lazy("Choose the reason of the rejection.")),
}


@dataclass(frozen=True, slots=True)
class DecisionButton:
    """One button of the bar."""

    value: str
    label: _StrPromise
    key: str
    style: str
    why_not: str
    needs: str
    missing: _StrPromise | str
    asks_checklist: bool


def decision_context(
    actor: Person, asset: Asset, *, posted: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return what the decision's fields and buttons show; with what was sent, if it was refused."""
    given = posted or {}
    case = review_cases.describe_case(
        actor, asset, answers=answers_from(given) if posted is not None else None
    )
    why_not = case.why_not
    if why_not:
        why_not = f"{why_not} {reviewers.no_second_reviewer(actor)}".strip()
    return {
        "case": case,
        "buttons": [_button(one) for one in case.offers],
        "questions": case.questions,
        **empty_fields(),
        "why_not": why_not,
        "note": given.get("note", ""),
        "reason": given.get("reason", ""),
    }


def empty_fields() -> dict[str, Any]:
    """Return what the fields of a decision show before anything is typed."""
    return {
        "reasons": choices(RejectionReason),
        "note": "",
        "reason": "",
        "note_max": review_requests.MAX_NOTE_CHARS,
        # Single keys act where one image is shown at the desk.
        "has_keys": False,
        "why_not": "",
        "refusal": None,
        "previous_url": "",
        "next_url": "",
    }


def bulk_buttons() -> list[DecisionButton]:
    """Return the buttons for several images of a kind."""
    kinds = [kind for kind in _BUTTONS if kind is not DecisionKind.ESCALATE]
    return [_button(review_cases.Offer(kind)) for kind in kinds]


def _button(offer: review_cases.Offer) -> DecisionButton:
    label, key, style = _BUTTONS[offer.kind]
    needs, missing = _NEEDS.get(offer.kind, ("", ""))
    return DecisionButton(
        value=offer.kind.value,
        label=label,
        key=key,
        style=style,
        why_not=offer.why_not,
        needs=needs,
        missing=missing,
        asks_checklist=offer.kind in APPROVALS,
    )


def decision_from(posted: Mapping[str, str]) -> Decision | None:
    """Return the decision that was pressed; None for none that we know."""
    try:
        kind = DecisionKind(str(posted.get("decision", "")))
    except ValueError:
        return None
    return Decision(
        kind=kind,
        note=str(posted.get("note", ""))[: review_requests.MAX_NOTE_CHARS],
        reason=str(posted.get("reason", "")),
        answers=answers_from(posted),
    )


def answers_from(posted: Mapping[str, str]) -> dict[str, str]:
    """Return the answers to the checklist that were sent, by the key of the question."""
    return {
        name.removeprefix("answer-"): str(value)
        for name, value in posted.items()
        if name.startswith("answer-")
    }


def shown_from(text: str) -> Shown:
    """Return what a person saw, as the page wrote it; of another text nothing matches."""
    sha256, _separator, state = text.partition(":")
    return Shown(sha256, state)


def done_sentence(kind: DecisionKind) -> str:
    """Return what was done, for a message."""
    return {
        DecisionKind.APPROVE: _("The image was approved."),
        DecisionKind.APPROVE_WITH_LABEL: _("The image was approved; its AI label is required."),
        DecisionKind.REQUEST_CHANGES: _("The image was sent back to its author."),
        DecisionKind.REJECT: _("The image was rejected."),
        DecisionKind.ESCALATE: _("The image was escalated."),
    }[kind]
