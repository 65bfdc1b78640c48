"""What the log's columns and bodies say is compared, whatever somebody made of them."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from imagegen_app.core import translog
from imagegen_app.models import AuditEvent, AuditLeaf
from imagegen_app.services.audit import (
    descriptions,
    key_rotation,
    log_export,
    sealing,
    settings_record,
    verification,
)
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways import publication_status
from imagegen_app.services.worker.sweep import sweep
from imagegen_app.testing.plugin import without_triggers
from tests.services.audit.log_tampering import (
    SYSTEM,
    append,
    event_at,
    execute,
    kinds,
    rebuild_tiles,
    sealed_log,
    set_hash,
)
from tests.services.audit.test_verification import published  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("published"),
]
KEY = "01a21a90cc667ef7a77174dc3013d0bd"


def key_in_database() -> str:
    """Return an identifier as the database holds it."""
    return KEY if connection.vendor != "postgresql" else str(UUID(KEY))


@pytest.mark.usefixtures("unguarded_log")
@pytest.mark.parametrize("column", ["job_id", "asset_id"])
def test_an_event_that_was_given_to_another_image_is_found(column: str) -> None:
    sealed_log(3)
    statement = f"UPDATE imagegen_auditevent SET {column} = %s WHERE id = %s"  # noqa: S608 - listed above
    execute(statement, key_in_database(), event_at(1).pk)

    report = verification.verify()

    assert [(f.kind, f.seq) for f in report.findings] == [("changed_column", 1)]
    assert column in report.findings[0].message


@pytest.mark.usefixtures("unguarded_log")
@pytest.mark.parametrize("name", ["job", "asset"])
def test_an_event_that_was_taken_from_its_image_is_found(name: str) -> None:
    sealed_log(2)
    body = json.loads(event_at(1).body)
    assert body[name] is None
    text = json.dumps(body | {name: KEY}, sort_keys=True, separators=(",", ":"))
    execute("UPDATE imagegen_auditevent SET body = %s WHERE id = %s", text, event_at(1).pk)
    set_hash(1, translog.leaf_hash(text))

    report = verification.verify()

    # The column is empty, though the body names an image.
    assert any(f.kind == "changed_column" and f"{name}_id" in f.message for f in report.findings)


@pytest.mark.usefixtures("unguarded_log")
def test_a_body_of_the_first_version_still_verifies() -> None:
    sealed_log(2)
    body = json.loads(event_at(1).body) | {"v": 1}
    text = json.dumps(
        {k: v for k, v in body.items() if k not in {"job", "asset"}},
        sort_keys=True,
        separators=(",", ":"),
    )
    execute("UPDATE imagegen_auditevent SET body = %s WHERE id = %s", text, event_at(1).pk)
    set_hash(1, translog.leaf_hash(text))
    rebuild_tiles()

    # Only the root differs from the signed one, as it must.
    assert kinds(verification.verify()) == ["checkpoint"]


NO_EVENTS = (
    "x",
    "{}",
    "[]",
    "null",
    '{"v":2}',
    '{"v":"2"}',
    '{"data":[]}',
    '{"data":{"screened":3}}',
    '{"commitments":3}',
    "[" * 20_000,
)


@pytest.mark.usefixtures("unguarded_log")
@pytest.mark.parametrize("kind", ["log.verified", "privacy.erased", "log.events_without_receipt"])
def test_a_body_that_is_no_event_is_named(kind: str) -> None:
    sealed_log(4)
    key, told = event_at(2).pk, {}

    for body, has_leaf in itertools.product(NO_EVENTS, (False, True)):
        execute(
            "UPDATE imagegen_auditevent SET body = %s, type = %s WHERE id = %s", body, kind, key
        )
        if has_leaf:
            set_hash(2, translog.leaf_hash(body))
            rebuild_tiles()
        report = verification.verify()
        first = report.first
        told[body, has_leaf] = ("changed_body" in kinds(report), first and first.seq)

    assert set(told.values()) == {(True, 2)}, told


def tile_of_another_level() -> None:
    execute("UPDATE imagegen_audittile SET level = 7")


def tile_too_short() -> None:
    execute("UPDATE imagegen_audittile SET data = %s", bytes(64))


def last_entry_deleted() -> None:
    key = event_at(3).pk
    execute("DELETE FROM imagegen_auditleaf WHERE seq = 3")
    execute("DELETE FROM imagegen_auditevent WHERE id = %s", key)


def last_entry_far_away() -> None:
    execute("UPDATE imagegen_auditleaf SET seq = 7777 WHERE seq = 3")


@pytest.mark.parametrize(
    "damage", [tile_of_another_level, tile_too_short, last_entry_deleted, last_entry_far_away]
)
def test_a_log_that_cannot_be_sealed_is_verified_and_told_of(damage: Any, tmp_path: Path) -> None:
    sealed_log(4)
    with without_triggers(connection):
        damage()
    append(1)

    with pytest.raises(sealing.LogDamaged, match="The log is damaged"):
        sealing.seal()
    output = StringIO()
    with pytest.raises(CommandError, match="failed verification"):
        call_command("imagegen_audit", "verify", "--json", stdout=output)
    told = json.loads(output.getvalue())
    with pytest.raises(log_export.CannotExport, match="does not verify"):
        log_export.export(
            SYSTEM, out=tmp_path / "events.jsonl", selection=log_export.ExportFilter()
        )
    for verb in ("checkpoint", "publish", "rotate-key"):
        with pytest.raises(CommandError, match="damaged"):
            call_command("imagegen_audit", verb)
    with pytest.raises(key_rotation.CannotRotate):
        key_rotation.rotate(SYSTEM)

    assert told["findings"]
    assert told["unsealed"] == 1


def test_a_damaged_log_does_not_keep_a_sweep_from_its_other_work() -> None:
    sealed_log(4)
    with without_triggers(connection):
        tile_of_another_level()
        execute("UPDATE imagegen_checkpoint SET created_at = %s", long_ago())
    append(1)

    sweep()

    assert AuditLeaf.objects.count() == 4
    assert AuditEvent.objects.filter(type="log.verification_failed").exists()


def long_ago() -> Any:
    return connection.ops.adapt_datetimefield_value(clock.now() - timedelta(days=1))


def test_a_checkpoint_row_that_cannot_be_read_stops_signing_with_an_alarm() -> None:
    sealed_log(2)
    execute(
        "INSERT INTO imagegen_checkpoint (size, root, note, created_at) VALUES (2, %s, %s, %s)",
        "no root",
        "forged",
        long_ago(),
    )

    assert sealing.make_checkpoint(SYSTEM, force=True) is None
    assert AuditEvent.objects.filter(type="log.verification_failed").count() == 1


@pytest.mark.usefixtures("unguarded_log")
def test_a_checkpoint_of_the_future_neither_stops_signing_nor_hides_that_it_stopped() -> None:
    sealed_log(2)
    append(1)
    sealing.seal()
    future = connection.ops.adapt_datetimefield_value(clock.now() + timedelta(days=9000))
    execute("UPDATE imagegen_checkpoint SET created_at = %s", future)

    told = [problem.message for problem in publication_status.publication_problems()]

    assert "The log has not been signed for more than 2 hours." in told
    assert sealing.is_due()
    assert sealing.make_checkpoint(SYSTEM) is not None


@pytest.mark.usefixtures("unguarded_log")
def test_a_body_that_is_no_event_is_described_as_changed() -> None:
    append(2)
    sealing.seal_all()
    told = {}

    for body in ("x", "[]", "null", '{"data":{"screened":3}}', '{"commitments":3}', "[" * 20_000):
        execute("UPDATE imagegen_auditevent SET body = %s WHERE id = %s", body, first_event().pk)
        changed, other = descriptions.describe_events(AuditEvent.objects.order_by("pk"))
        told[body] = (changed.sentence, changed.severity, other.severity)
        assert changed.seq == 0

    expected = ("The content of this event was changed. Verify the log.", "alarm", "info")
    assert set(told.values()) == {expected}, told


@pytest.mark.usefixtures("unguarded_log")
@pytest.mark.parametrize("body", ["x", "{}", '{"data":{"settings":1,"settings_hash":"a"}}'])
def test_settings_are_recorded_anew_if_their_record_was_changed(body: str) -> None:
    settings_record.record_settings(SYSTEM)
    execute("UPDATE imagegen_auditevent SET body = %s", body)

    assert settings_record.record_settings(SYSTEM)
    assert not settings_record.record_settings(SYSTEM)


def first_event() -> AuditEvent:
    return AuditEvent.objects.earliest("pk")
