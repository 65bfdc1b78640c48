"""An event that was not written by the application is found, though it was sealed like any other."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.db import connection

from imagegen_app.models import AuditEvent, AuditPending
from imagegen_app.services.audit import sealing, verification
from tests.services.audit.log_tampering import SYSTEM, append, execute, kinds

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("unguarded_log")]


@pytest.fixture(autouse=True)
def own_key(settings: Any, tmp_path: Path) -> None:
    """Give each test its own signing key."""
    settings.IMAGEGEN = {**django_settings.IMAGEGEN, "STATE_DIR": tmp_path / "state"}


def insert_back_dated(receipt: str) -> None:
    """Insert a complete event of last year and let it wait, as a database's administrator could."""
    model = AuditEvent.objects.earliest("pk")
    uid = uuid.uuid4()
    year = f"{model.at.year - 1}-"
    body = model.body.replace(str(model.uid), str(uid)).replace(f"{model.at.year}-", year)
    at = model.at.replace(year=model.at.year - 1)
    columns = {
        "uid": uid.hex if connection.vendor != "postgresql" else str(uid),
        "at": connection.ops.adapt_datetimefield_value(at),
        "type": model.type,
        "severity": model.severity,
        "actor_kind": model.actor_kind,
        "actor_id": model.actor_id,
        "object_type": "",
        "object_id": "",
        "request_id": "",
        "body": body,
    }
    execute(
        f"INSERT INTO imagegen_auditevent ({', '.join(columns)})"  # noqa: S608 - our own names
        f" VALUES ({', '.join(['%s'] * len(columns))})",
        *columns.values(),
    )
    key = AuditEvent.objects.get(uid=uid).pk
    execute("INSERT INTO imagegen_auditpending (event_id, receipt) VALUES (%s, %s)", key, receipt)


@pytest.mark.parametrize("receipt", ["", "0" * 64, "copied"])
def test_a_back_dated_event_that_was_inserted_while_pending_is_found(receipt: str) -> None:
    append(2)
    if receipt == "copied":
        receipt = AuditPending.objects.earliest("pk").receipt
    insert_back_dated(receipt)
    append(1)

    sealed = sealing.seal()
    report = verification.verify()

    assert sealed == 5
    assert kinds(report) == ["no_receipt"]
    assert report.findings[0].seq == 2
    assert "Entries 2 (1 in all) were not written by the application" in report.findings[0].message


def test_the_alarm_is_sealed_in_the_same_transaction() -> None:
    append(1)
    insert_back_dated("")

    sealing.seal()

    assert not AuditPending.objects.exists()
    assert AuditEvent.objects.get(leaf__seq=2).type == "log.events_without_receipt"


def test_an_event_that_was_changed_while_pending_is_found() -> None:
    append(2)
    event = AuditEvent.objects.latest("pk")
    changed = event.body.replace('"size":1', '"size":7')
    execute("UPDATE imagegen_auditevent SET body = %s WHERE id = %s", changed, event.pk)

    sealing.seal()

    assert kinds(verification.verify()) == ["no_receipt"]


def test_events_that_wait_while_the_sites_key_is_replaced_are_sound(settings: Any) -> None:
    append(1)
    settings.SECRET_KEY_FALLBACKS = [django_settings.SECRET_KEY]
    settings.SECRET_KEY = "another key of this site, which is long enough"
    append(1)

    sealing.seal()

    assert verification.verify().ok
    assert sealing.make_checkpoint(SYSTEM, force=True) is not None
