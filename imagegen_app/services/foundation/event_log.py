"""Append audit events in the transaction of the change they tell of."""

from __future__ import annotations

import os
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imagegen_app.core import events
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
from imagegen_app.services.foundation import clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from django.db.models import Model

#: Rows of one statement.
_CHUNK = 2000
#: Joins all events of one request, task or command.
_request_id: ContextVar[str] = ContextVar("imagegen_request_id", default="")


@contextmanager
def request_context(request_id: str) -> Iterator[None]:
    """Give all events inside one request id."""
    token = _request_id.set(request_id[:64])
    try:
        yield
    finally:
        _request_id.reset(token)


def object_ref(subject: Model) -> events.ObjectRef:
    """Return how an event names a row: its kind and its key."""
    return events.ObjectRef(kind=subject._meta.model_name or "object", id=str(subject.pk))  # noqa: SLF001 - Django's documented API


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
) -> None:
    """Append one event; joins the transaction of the use case that calls it.

    All events of a use case are written together at its end. Personal text never enters the body:
    a salted commitment stands there, text and salt lie beside it and can be erased.

    :raises WriteOutsideUseCase: outside of a use case.
    :raises UnknownEvent: if the registry knows no such kind.
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
    record_many(actor, [entry])


@dataclass(frozen=True, slots=True)
class NewEvent:
    """One event to append, as `record` takes it."""

    kind: str
    subject: Model | None = None
    job: Job | None = None
    asset: Asset | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    personal: Mapping[str, str] = field(default_factory=dict)
    on_behalf_of: Actor | None = None


def record_many(actor: Actor, entries: Iterable[NewEvent]) -> None:
    """Append many events of one actor; see `record`.

    :raises WriteOutsideUseCase: outside of a use case.
    :raises UnknownEvent: if the registry knows no kind of that name.
    """
    guard.record_write(AuditEvent._meta.db_table, is_audit_table=True)  # noqa: SLF001 - Django's documented API
    unit = guard.current()
    if unit is None:
        return
    at = clock.now()
    built = [_build(actor, entry, at) for entry in entries]
    unit.deferred_rows += built
    unit.write_late = _write
    unit.events += len(built)


def _write(built: list[tuple[AuditEvent, list[AuditPersonalText]]]) -> None:
    """Write a use case's events in a handful of statements."""
    rows = [event for event, _secrets in built]
    AuditEvent.objects.bulk_create(rows, batch_size=_CHUNK)
    if any(row.pk is None for row in rows):
        # A database that does not return the keys it gave.
        keys = dict(
            AuditEvent.objects.filter(uid__in=[r.uid for r in rows]).values_list("uid", "pk")
        )
        for row in rows:
            row.pk = keys[row.uid]
    for event, secrets in built:
        for secret in secrets:
            secret.event_id = event.pk
    AuditPersonalText.objects.bulk_create(
        [secret for _event, secrets in built for secret in secrets], batch_size=_CHUNK
    )
    AuditPending.objects.bulk_create(
        [AuditPending(event_id=row.pk) for row in rows], batch_size=_CHUNK
    )


def _build(
    actor: Actor, entry: NewEvent, at: datetime
) -> tuple[AuditEvent, list[AuditPersonalText]]:
    private = {name: text for name, text in entry.personal.items() if text}
    if not isinstance(actor, System):
        private.setdefault("actor_label", actor.label)
    salts = {name: os.urandom(16) for name in private}
    uid = uuid7()
    named = None if entry.subject is None else object_ref(entry.subject)
    body = events.build_body(
        uid=uid,
        at=at,
        type=entry.kind,
        actor=actor,
        on_behalf_of=entry.on_behalf_of,
        object=named,
        request_id=_request_id.get(),
        data=entry.data,
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
        object_type="" if named is None else named.kind,
        object_id="" if named is None else named.id,
        job_id=None if entry.job is None else entry.job.pk,
        asset_id=None if entry.asset is None else entry.asset.pk,
        request_id=_request_id.get(),
        body=body,
    )
    person = "" if isinstance(actor, System) else f"person:{actor.id}"
    secrets = [
        AuditPersonalText(field=name, subject=person, salt=salts[name], value=text)
        for name, text in private.items()
    ]
    return event, secrets
