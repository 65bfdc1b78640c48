"""Describe audit events in sentences for people, with the personal texts not yet erased."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from django.utils.text import capfirst
from django.utils.translation import gettext

from imagegen_app.core import data_handling, events
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.models import AuditEvent, AuditLeaf, AuditPersonalText
from imagegen_app.models.amounts import format_amount
from imagegen_app.models.labels import choices
from imagegen_app.services.audit import event_labels
from imagegen_app.services.foundation import object_names, stored_messages
from imagegen_app.services.jobs import pass_chain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from imagegen_app.models import Attempt, Job

#: Events of one job that are looked through for one of its calls.
_MAX_CALLS = 50
#: Facts whose values are amounts of money, stored as decimal text.
_GROUP: Final = re.compile(r'"group":"?(\d+)')
_AMOUNT_FACTS = frozenset({"amount", "cost", "estimated_cost", "limit", "spending_limit"})


@dataclass(frozen=True, slots=True)
class EventDescription:
    """One event, described for people in their language."""

    event: AuditEvent
    at: datetime
    sentence: str
    severity: str
    #: Who acted, by name where that was not erased.
    actor: str
    #: What it is about, by name where the row is still there.
    object: str
    #: Its position in the sealed log; None while it is not sealed.
    seq: int | None
    #: The event's data as pairs of label and text.
    facts: tuple[tuple[str, str], ...]
    #: Names of the personal texts that were erased.
    erased: tuple[str, ...]


def describe_events(rows: Iterable[AuditEvent]) -> list[EventDescription]:
    """Describe several events, with three queries in all and one for each kind of object."""
    found = list(rows)
    names = object_names.names_of(
        [*((e.object_type, e.object_id) for e in found if e.object_id), *_groups_of(found)]
    )
    return _describe_all(
        found,
        lambda e: event_labels.object_label(
            e.object_type, e.object_id, name=names.get((e.object_type, e.object_id), "")
        ),
        groups={key: name for (kind, key), name in names.items() if kind == "group"},
    )


def _groups_of(found: Iterable[AuditEvent]) -> set[tuple[str, str]]:
    """Return references to the groups that events of grants name."""
    bodies = (e.body for e in found if e.type.startswith("grant."))
    return {("group", match[1]) for body in bodies if (match := _GROUP.search(body))}


def _describe_all(
    found: list[AuditEvent],
    label: Callable[[AuditEvent], str],
    *,
    groups: Mapping[str, str] = MappingProxyType({}),
) -> list[EventDescription]:
    keys = [e.pk for e in found]
    positions = dict(AuditLeaf.objects.filter(event__in=keys).values_list("event_id", "seq"))
    texts: dict[int, dict[str, str]] = {}
    for event_id, field, value in AuditPersonalText.objects.filter(
        event__in=keys, erased_by__isnull=True
    ).values_list("event_id", "field", "value"):
        texts.setdefault(event_id, {})[field] = value
    return [
        _describe(e, positions.get(e.pk), texts.get(e.pk, {}), about=label(e), groups=groups)
        for e in found
    ]


def describe_job_history(job: Job, *, most: int = 200) -> list[EventDescription]:
    """Describe the events of a job and its whole chain of passes, oldest first, at most `most`."""
    rows = AuditEvent.objects.filter(job_id__in=pass_chain.job_ids_of_image(job))
    return _describe_all(
        list(rows.order_by("at", "pk")[:most]),
        # Whose job and images it is about is clear where its history stands.
        lambda e: event_labels.known_object_label(e.object_type, e.object_id),
    )


def recorded_data_handling(attempt: Attempt) -> dict[str, Any]:
    """Return what was known of how the provider handles data when a call was sent; empty if nothing.

    Of an attempt that reads a kept answer again, of the call that the answer is to.
    """
    if attempt.rereads is not None:
        attempt = attempt.rereads.attempt
    sent = AuditEvent.objects.filter(job_id=attempt.job_id, type="job.submitted").order_by("pk")
    for body in sent.values_list("body", flat=True)[:_MAX_CALLS]:
        try:
            data = json.loads(body)["data"]
        except (ValueError, LookupError, TypeError, RecursionError):
            # Somebody changed it in the database; verification tells.
            continue
        if isinstance(data, dict) and data.get("attempt") == str(attempt.pk):
            found = data.get("data_handling")
            return found if isinstance(found, dict) else {}
    return {}


def _describe(
    event: AuditEvent,
    seq: int | None,
    texts: dict[str, str],
    *,
    about: str,
    groups: Mapping[str, str],
) -> EventDescription:
    actor = texts.get("actor_label") or event_labels.actor_label(event.actor_kind, event.actor_id)
    try:
        return _describe_body(event, seq, texts, actor=actor, about=about, groups=groups)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        # Somebody changed it in the database: the page that shows the log must say so.
        return EventDescription(
            event=event,
            at=event.at,
            sentence=gettext("The content of this event was changed. Verify the log."),
            severity="alarm",
            actor=actor,
            object=about,
            seq=seq,
            facts=(),
            erased=(),
        )


def _describe_body(
    event: AuditEvent,
    seq: int | None,
    texts: dict[str, str],
    *,
    actor: str,
    about: str,
    groups: Mapping[str, str],
) -> EventDescription:
    body: dict[str, Any] = json.loads(event.body)
    labelled = _with_part_labels(event.type, body.get("data", {}))
    if event.type == "budget.changed":
        labelled |= {k: _amount_text(labelled[k]) for k in ("before", "after") if k in labelled}
    data: dict[str, str] = {k: _text(v, k) for k, v in labelled.items()}
    if event.type == "model.promoted":
        data |= {
            k: event_labels.value_label("lifecycle", data[k])
            for k in ("before", "after")
            if k in data
        }
    committed = set(body.get("commitments", {}))
    kind = events.EVENTS.get(event.type)
    values = {
        **data,
        "actor": actor,
        "object": about,
    }
    if values.get("group"):
        # The log holds a group's primary key, since its name may change.
        key = values["group"]
        values["group"] = (
            gettext("%(kind)s “%(name)s”") % {"kind": gettext("group"), "name": groups[key]}
            if key in groups
            else f"{gettext('group')} {key}"
        )
        data["group"] = groups.get(key, key)
    sentence = event.type
    if kind is not None:
        translated = gettext(kind.sentence)
        sentence = kind.describe(values, sentence=translated)
        if translated.startswith("{object}"):
            sentence = capfirst(sentence)
    shown = list(data.items())
    # Prompts are left out: reading one needs a permission and is recorded (`prompt_access`).
    shown += [
        (k, v) for k, v in texts.items() if k not in {"actor_label", "prompt", "negative_prompt"}
    ]
    return EventDescription(
        event=event,
        at=event.at,
        sentence=sentence,
        severity=event.severity,
        actor=actor,
        object=about,
        seq=seq,
        facts=tuple((stored_messages.fact_label(k), v) for k, v in shown if v),
        erased=tuple(sorted(committed - set(texts))),
    )


#: Events whose `subject` is the code of a part that was screened.
_ABOUT_PARTS = frozenset(
    {"moderation.decided", "moderation.hard_category_found", "moderation.screener_failed"}
)


def _with_part_labels(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return an event's data with labels instead of codes for the parts that were screened."""
    labelled = dict(data)
    if kind in _ABOUT_PARTS:
        labelled["subject"] = stored_messages.screened_part(str(data.get("subject", "")))
    if "screened" in data:
        outcomes = dict(choices(VerdictOutcome))
        labelled["screened"] = [
            f"{one['screener']}, {stored_messages.screened_part(one['part'])}: "
            f"{outcomes[one['outcome']]}"
            for one in data["screened"]
        ]
    return labelled


def _text(value: Any, fact: str = "") -> str:
    """Return a value of an event's data as text; codes and states become labels."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, list):
        return ", ".join(_text(v, fact) for v in value)
    if isinstance(value, dict):
        return _mapping_text(value, fact)
    return (
        _amount_text(value) if fact in _AMOUNT_FACTS else event_labels.value_label(fact, str(value))
    )


def _mapping_text(value: dict[str, Any], fact: str) -> str:
    """Return a mapping of an event's data as text: a change, a fact with its day, or its entries."""
    if set(value) == {"before", "after"}:
        before, after = (_text(value[k], fact) or "\N{EN DASH}" for k in ("before", "after"))
        return f"{before} → {after}"
    if fact in data_handling.LABELS and "value" in value:
        said = data_handling.words(fact, value["value"])
        return ", ".join(gettext(one.text) % one.values for one in said)
    return "; ".join(f"{stored_messages.fact_label(k)}: {_text(v, k)}" for k, v in value.items())


def _amount_text(value: Any) -> str:
    """Return an amount of money in the reader's notation; the stored body has a decimal point."""
    try:
        return format_amount(Decimal(str(value)))
    except InvalidOperation:
        return str(value)
