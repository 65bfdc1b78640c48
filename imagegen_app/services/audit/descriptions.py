"""Render audit events as sentences for people, with those names that have not been erased."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from django.utils.text import capfirst
from django.utils.translation import gettext

from imagegen_app.core import events
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.models import AuditEvent, AuditLeaf, AuditPersonalText
from imagegen_app.models.amounts import format_amount
from imagegen_app.models.labels import choices
from imagegen_app.services.audit import event_labels
from imagegen_app.services.foundation import stored_messages
from imagegen_app.services.jobs import pass_chain

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from imagegen_app.models import Job

#: Facts whose values are amounts of money, stored as decimal text.
_AMOUNT_FACTS = frozenset({"amount", "cost", "estimated_cost", "limit", "spending_limit"})


@dataclass(frozen=True, slots=True)
class EventDescription:
    """One event, as a person reads it."""

    event: AuditEvent
    at: datetime
    sentence: str
    severity: str
    #: Its place in the sealed log; None while it waits.
    seq: int | None
    #: Facts by name, flattened to text.
    facts: tuple[tuple[str, str], ...]
    #: Personal texts that were erased.
    erased: tuple[str, ...]


def describe_events(rows: Iterable[AuditEvent]) -> list[EventDescription]:
    """Describe several events, in three queries."""
    found = list(rows)
    keys = [e.pk for e in found]
    places = dict(AuditLeaf.objects.filter(event__in=keys).values_list("event_id", "seq"))
    private: dict[int, dict[str, str]] = {}
    for event_id, field, value in AuditPersonalText.objects.filter(event__in=keys).values_list(
        "event_id", "field", "value"
    ):
        private.setdefault(event_id, {})[field] = value
    return [_describe(e, places.get(e.pk), private.get(e.pk, {})) for e in found]


def describe_job_history(job: Job, *, most: int = 200) -> list[EventDescription]:
    """Describe the events of a job and of all other jobs of its chain, oldest first."""
    rows = AuditEvent.objects.filter(job_id__in=pass_chain.job_ids_of_image(job))
    return describe_events(rows.order_by("at", "pk")[:most])


def _describe(event: AuditEvent, place: int | None, private: dict[str, str]) -> EventDescription:
    body: dict[str, Any] = json.loads(event.body)
    named = _named(event.type, body.get("data", {}))
    if event.type == "budget.changed":
        named |= {k: _amount_text(named[k]) for k in ("before", "after") if k in named}
    data: dict[str, str] = {k: _text(v, k) for k, v in named.items()}
    if event.type == "model.promoted":
        data |= {
            k: event_labels.value_label("lifecycle", data[k])
            for k in ("before", "after")
            if k in data
        }
    promised = set(body.get("commitments", {}))
    kind = events.EVENTS.get(event.type)
    values = {
        **data,
        "actor": private.get("actor_label")
        or event_labels.actor_label(event.actor_kind, event.actor_id),
        "object": event_labels.object_label(event.object_type, event.object_id),
    }
    if values.get("group"):
        # The log keeps a group's number, since its name may change.
        values["group"] = f"{gettext('group')} {values['group']}"
    sentence = event.type
    if kind is not None:
        translated = gettext(kind.sentence)
        sentence = kind.describe(values, sentence=translated)
        if translated.startswith("{object}"):
            sentence = capfirst(sentence)
    shown = list(data.items())
    # Prompts are read on their own page, by right and recorded; not here.
    shown += [
        (k, v) for k, v in private.items() if k not in {"actor_label", "prompt", "negative_prompt"}
    ]
    return EventDescription(
        event=event,
        at=event.at,
        sentence=sentence,
        severity=event.severity,
        seq=place,
        facts=tuple((stored_messages.fact_label(k), v) for k, v in shown if v),
        erased=tuple(sorted(promised - set(private))),
    )


def _named(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of an event with the parts that were screened in the reader's words."""
    named = dict(data)
    if kind == "moderation.decided":
        named["subject"] = stored_messages.screened_part(str(data.get("subject", "")))
    if "screened" in data:
        outcomes = dict(choices(VerdictOutcome))
        named["screened"] = [
            f"{one['screener']}, {stored_messages.screened_part(one['part'])}: {outcomes[one['outcome']]}"
            for one in data["screened"]
        ]
    return named


def _text(value: Any, fact: str = "") -> str:
    """Return a fact's value as text, with codes and states in the reader's words."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, list):
        return ", ".join(_text(v, fact) for v in value)
    if isinstance(value, dict):
        if set(value) == {"before", "after"}:
            return f"{_text(value['before'], fact) or '–'} → {_text(value['after'], fact) or '–'}"  # noqa: RUF001 - dashes for people
        return "; ".join(
            f"{stored_messages.fact_label(k)}: {_text(v, k)}" for k, v in value.items()
        )
    return (
        _amount_text(value) if fact in _AMOUNT_FACTS else event_labels.value_label(fact, str(value))
    )


def _amount_text(value: Any) -> str:
    """Return an amount of money in the reader's notation; the stored body has a decimal point."""
    try:
        return format_amount(Decimal(str(value)))
    except InvalidOperation:
        return str(value)
