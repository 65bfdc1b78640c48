"""Append audit events in the same transaction as the change that they record."""

from __future__ import annotations

import os
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imagegen_app.core import events, live_secrets
from imagegen_app.core.actors import Actor, System
from imagegen_app.core.ids import uuid7
from imagegen_app.models import (
    Asset,
    AuditEvent,
    AuditPending,
    AuditPersonalText,
    Job,
    guard,
)
from imagegen_app.services.foundation import clock, event_receipts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from uuid import UUID

    from django.db.models import Model

#: Maximum number of rows in one statement.
_CHUNK = 2000
#: The id that all events of one request, task or command share.
_request_id: ContextVar[str] = ContextVar("imagegen_request_id", default="")


@contextmanager
def request_context(request_id: str) -> Iterator[None]:
    """Give all events that are recorded inside the same request id."""
    token = _request_id.set(request_id[:64])
    try:
        yield
    finally:
        _request_id.reset(token)


def object_ref(subject: Model) -> events.ObjectRef:
    """Return the reference by which an event names a row: model name and primary key."""
    return events.ObjectRef(kind=subject._meta.model_name or "object", id=str(subject.pk))  # noqa: SLF001 - Django's documented API


def person_of(actor_kind: str, actor_id: str) -> str:
    """Return the person whose texts an actor's event holds, such as `person:42`.

    Empty for the system. The erasure of a person finds the texts by that.
    """
    return "" if actor_kind == "system" else f"person:{actor_id}"


def record(
    actor: Actor,
    kind: str,
    *,
    subject: Model | None = None,
    job: Job | None = None,
    asset: Asset | None = None,
    data: Mapping[str, Any] | None = None,
    personal: Mapping[str, str] | None = None,
    on_behalf_of: Actor | None = None,
) -> UUID:
    """Append one event and return its `uid`; joins the transaction of the calling use case.

    All events of a use case are written together at its end. `personal` maps names to texts that
    must be erasable: the body holds a salted commitment, text and salt are stored beside it.

    :raises WriteOutsideUseCase: outside of a use case.
    :raises UnknownEvent: if no such kind is registered.
    """
    entry = NewEvent(
        kind=kind,
        subject=subject,
        job=job,
        asset=asset,
        data=data or {},
        personal=personal or {},
        on_behalf_of=on_behalf_of,
    )
    return record_many(actor, [entry])[0]


@dataclass(frozen=True, slots=True)
class NewEvent:
    """One event to append; its fields are the arguments of `record`."""

    kind: str
    subject: Model | None = None
    job: Job | None = None
    asset: Asset | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    personal: Mapping[str, str] = field(default_factory=dict)
    on_behalf_of: Actor | None = None


def record_many(actor: Actor, entries: Iterable[NewEvent]) -> list[UUID]:
    """Append many events of one actor, and return their `uid`s; see `record`.

    :raises WriteOutsideUseCase: outside of a use case.
    :raises UnknownEvent: if no such kind is registered.
    """
    unit = guard.require_use_case(AuditEvent._meta.db_table)  # noqa: SLF001 - Django's documented API
    at = clock.now()
    built = [_build(actor, entry, at) for entry in entries]
    unit.deferred_rows += built
    unit.write_deferred = _write
    unit.events += len(built)
    return [event.uid for event, _texts in built]


def write_now() -> list[AuditEvent]:
    """Write the events that the running use case recorded so far, and return them.

    :raises WriteOutsideUseCase: outside of a use case.
    """
    unit = guard.require_use_case(AuditEvent._meta.db_table)  # noqa: SLF001 - Django's documented API
    built, unit.deferred_rows = unit.deferred_rows, []
    if built:
        _write(built)
    return [event for event, _texts in built]


def _write(built: list[tuple[AuditEvent, list[AuditPersonalText]]]) -> None:
    """Write a use case's events with one statement per table and chunk."""
    rows = [event for event, _texts in built]
    AuditEvent.objects.bulk_create(rows, batch_size=_CHUNK)
    if any(row.pk is None for row in rows):
        # This database does not return the primary keys of new rows.
        keys = dict(
            AuditEvent.objects.filter(uid__in=[r.uid for r in rows]).values_list("uid", "pk")
        )
        for row in rows:
            row.pk = keys[row.uid]
    for event, texts in built:
        for text in texts:
            text.event_id = event.pk
    AuditPersonalText.objects.bulk_create(
        [text for _event, texts in built for text in texts], batch_size=_CHUNK
    )
    AuditPending.objects.bulk_create(
        [AuditPending(event_id=row.pk, receipt=event_receipts.receipt(row.body)) for row in rows],
        batch_size=_CHUNK,
    )


def _build(
    actor: Actor, entry: NewEvent, at: datetime
) -> tuple[AuditEvent, list[AuditPersonalText]]:
    # The log is append-only: a secret that came in by any way must not be written even once.
    private = {name: live_secrets.hide(text) for name, text in entry.personal.items() if text}
    data = live_secrets.hide_in(entry.data)
    if not isinstance(actor, System):
        private.setdefault("actor_label", actor.label)
    salts = {name: os.urandom(16) for name in private}
    uid = uuid7()
    reference = None if entry.subject is None else object_ref(entry.subject)
    body = events.build_body(
        uid=uid,
        at=at,
        type=entry.kind,
        actor=actor,
        on_behalf_of=entry.on_behalf_of,
        object=reference,
        job=None if entry.job is None else entry.job.pk,
        asset=None if entry.asset is None else entry.asset.pk,
        request_id=_request_id.get(),
        data=data,
        commitments={
            name: events.make_commitment(text, salts[name]) for name, text in private.items()
        },
    )
    event = AuditEvent(
        uid=uid,
        at=at,
        type=entry.kind,
        severity=events.event_type(entry.kind).severity,
        actor_kind=actor.kind,
        actor_id=actor.id,
        object_type="" if reference is None else reference.kind,
        object_id="" if reference is None else reference.id,
        job_id=None if entry.job is None else entry.job.pk,
        asset_id=None if entry.asset is None else entry.asset.pk,
        request_id=_request_id.get(),
        body=body,
    )
    person = person_of(actor.kind, actor.id)
    personal_texts = [
        AuditPersonalText(field=name, subject=person, salt=salts[name], value=text)
        for name, text in private.items()
    ]
    return event, personal_texts
