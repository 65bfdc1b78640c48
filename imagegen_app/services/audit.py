"""Append audit events in the transaction of the change they tell of."""

from __future__ import annotations

import os
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from imagegen_app.core import events
from imagegen_app.core.actors import Actor, System
from imagegen_app.core.ids import uuid7
from imagegen_app.models import (
    Asset,
    AuditEvent,
    AuditPending,
    AuditSecret,
    Job,
    guard,
)
from imagegen_app.services import clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django.db.models import Model

#: Joins all events of one request, task or command.
_request_id: ContextVar[str] = ContextVar("imagegen_request_id", default="")


@contextmanager
def request(request_id: str) -> Iterator[None]:
    """Give all events inside one request id."""
    token = _request_id.set(request_id[:64])
    try:
        yield
    finally:
        _request_id.reset(token)


def ref(subject: Model) -> events.Ref:
    """Return how an event names a row: its kind and its key."""
    return events.Ref(kind=subject._meta.model_name or "object", id=str(subject.pk))  # noqa: SLF001 - Django's documented API


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
) -> AuditEvent:
    """Append one event; joins the transaction of the use case that calls it.

    Personal text never enters the body: a salted commitment stands there, text and salt lie beside
    it and can be erased.

    :raises StrayWrite: outside of a use case.
    :raises UnknownEvent: if the registry knows no such kind.
    """
    private = {name: text for name, text in (personal or {}).items() if text}
    if not isinstance(actor, System):
        private.setdefault("actor_label", actor.label)
    salts = {name: os.urandom(16) for name in private}
    event_type = events.event_type(kind)
    uid, at = uuid7(), clock.now()
    named = None if subject is None else ref(subject)
    body = events.build_body(
        uid=uid,
        at=at,
        type=kind,
        actor=actor,
        on_behalf_of=on_behalf_of,
        object=named,
        request_id=_request_id.get(),
        data=data or {},
        commitments={name: events.commit(text, salts[name]) for name, text in private.items()},
    )
    event = AuditEvent.objects.create(
        uid=uid,
        at=at,
        type=kind,
        severity=event_type.severity,
        actor_kind=actor.kind,
        actor_id=actor.id,
        object_type="" if named is None else named.kind,
        object_id="" if named is None else named.id,
        job_id=None if job is None else job.pk,
        asset_id=None if asset is None else asset.pk,
        request_id=_request_id.get(),
        body=body,
    )
    person = "" if isinstance(actor, System) else f"person:{actor.id}"
    AuditSecret.objects.bulk_create(
        AuditSecret(event=event, field=name, subject=person, salt=salts[name], value=text)
        for name, text in private.items()
    )
    AuditPending.objects.create(event=event)
    unit = guard.current()
    if unit is not None:
        unit.events += 1
    return event
