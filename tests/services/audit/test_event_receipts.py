"""An event that was not written by the application is found, though it was sealed like any other."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.db import connection

from imagegen_app.core import translog
from imagegen_app.models import AuditEvent, AuditLeaf, AuditPending, AuditTile, Checkpoint
from imagegen_app.services.audit import key_rotation, sealing, verification
from imagegen_app.services.foundation import clock
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
    alarm = AuditEvent.objects.get(leaf__seq=2)
    assert (alarm.type, alarm.actor_id) == ("log.events_without_receipt", "sealer")


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


def enter_past_the_sealer(receipt: str = "") -> None:
    """Insert an event with its leaf and let the tile grow, as the triggers allow anybody to."""
    insert_back_dated("")
    event = AuditEvent.objects.latest("pk")
    execute("DELETE FROM imagegen_auditpending WHERE event_id = %s", event.pk)
    digest, tile = translog.leaf_hash(event.body), AuditTile.objects.get(level=0)
    execute(
        "INSERT INTO imagegen_auditleaf (seq, event_id, hash, receipt) VALUES (%s, %s, %s, %s)",
        sealing.log_size(),
        event.pk,
        digest,
        receipt,
    )
    data = bytes(tile.data) + digest
    execute("UPDATE imagegen_audittile SET data = %s WHERE id = %s", data, tile.pk)


@pytest.mark.parametrize("receipt", ["", "0" * 64, "é", "copied"])
@pytest.mark.parametrize("is_signed", [False, True])
def test_an_event_that_was_entered_past_the_sealer_is_found(
    receipt: str,
    is_signed: bool,
) -> None:
    append(2)
    sealing.seal()
    sealing.make_checkpoint(SYSTEM, force=True)
    if receipt == "copied":
        receipt = AuditLeaf.objects.latest("pk").receipt
    enter_past_the_sealer(receipt)

    if is_signed:
        append(1)
        sealing.seal()
        sealing.make_checkpoint(SYSTEM, force=True)
        sealing.make_checkpoint(SYSTEM, force=True)
    report = verification.verify()

    assert kinds(report) == ["no_receipt"]
    assert report.findings[0].seq == 2
    # One alarm, whatever was signed afterwards; it is part of what was signed.
    assert AuditEvent.objects.filter(type=sealing.NO_RECEIPT).count() == is_signed
    assert Checkpoint.objects.latest("pk").size == (5 if is_signed else 2)


def test_a_forged_checkpoint_does_not_cover_what_was_entered_past_the_sealer() -> None:
    append(2)
    sealing.seal()
    enter_past_the_sealer()
    root = translog.TileReader(sealing.fetch_tile).root(3).hex()
    execute(
        "INSERT INTO imagegen_checkpoint (size, root, note, created_at) VALUES (3, %s, %s, %s)",
        root,
        "forged",
        connection.ops.adapt_datetimefield_value(clock.now()),
    )

    sealing.make_checkpoint(SYSTEM, force=True)

    assert AuditEvent.objects.get(leaf__seq=3).type == sealing.NO_RECEIPT


def test_the_key_is_not_replaced_over_what_was_entered_past_the_sealer() -> None:
    append(2)
    sealing.seal()
    enter_past_the_sealer()

    key_rotation.rotate(SYSTEM)

    assert kinds(verification.verify()) == ["no_receipt"]


def test_a_secret_key_that_is_still_accepted_counts_for_entries_that_are_not_signed_yet(
    settings: Any,
) -> None:
    append(2)
    sealing.seal()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a new key " * 6

    sealing.make_checkpoint(SYSTEM, force=True)

    assert verification.verify().ok
