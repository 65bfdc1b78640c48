from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings

from imagegen_app.core import translog
from imagegen_app.models import AuditEvent, AuditTile
from imagegen_app.services.audit import sealing, verification
from tests.services.audit.log_tampering import (
    SYSTEM,
    append,
    event_at,
    execute,
    kinds,
    rebuild_tiles,
    rewritten,
    sealed_log,
    set_hash,
    set_tile,
    without_foreign_keys,
)

if TYPE_CHECKING:
    from pathlib import Path


# Dropping triggers ends a transaction on MySQL, so these tests commit and flush.
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("published", "unguarded_log"),
]


@pytest.fixture
def published(settings: Any, tmp_path: Path) -> Path:
    """Give each test a key and a folder of its own."""
    settings.IMAGEGEN = {
        **django_settings.IMAGEGEN,
        "STATE_DIR": tmp_path / "state",
        "AUDIT": {
            "ORIGIN": "test.example/log",
            "PUBLISH_TO": {"auditor": {"KIND": "folder", "TARGET": tmp_path / "published"}},
        },
    }
    return tmp_path / "published"


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 600])
def test_an_untouched_log_verifies(count: int) -> None:
    sealed_log(count)

    report = verification.verify()

    root = translog.TileReader(sealing.fetch_tile).root(count)
    assert (report.ok, report.findings, report.first) == (True, (), None)
    assert (report.size, report.root, report.checkpoints) == (count, root.hex(), 1)


def test_unsealed_events_are_counted_and_not_a_finding() -> None:
    sealed_log(2)
    append(3)

    report = verification.verify()

    assert (report.ok, report.size, report.unsealed) == (True, 2, 3)


def test_a_changed_body_is_the_only_finding() -> None:
    sealed_log(300)
    event = event_at(270)
    execute(
        "UPDATE imagegen_auditevent SET body = %s WHERE id = %s", rewritten(event.body), event.pk
    )

    report = verification.verify()

    assert not report.ok
    assert kinds(report) == ["changed_body"]
    first = report.first
    assert first is not None
    assert (first.seq, first.event_id) == (270, event.pk)
    assert f"event {event.pk}, log.verified, {event.at:%Y-%m-%d %H:%M:%S} UTC" in first.message


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("uid", "0" * 32),
        ("at", "2020-01-01 00:00:00"),
        ("type", "log.rewritten"),
        ("severity", "alarm"),
        ("actor_kind", "person"),
        ("actor_id", "somebody-else"),
        ("object_type", "job"),
        ("object_id", "7"),
        ("request_id", "r"),
    ],
)
def test_a_changed_column_is_named(column: str, value: str) -> None:
    sealed_log(3)
    event = event_at(1)
    # The column's name is one of the list above.
    statement = f"UPDATE imagegen_auditevent SET {column} = %s WHERE id = %s"  # noqa: S608
    execute(statement, value, event.pk)

    report = verification.verify()

    assert kinds(report) == ["changed_column"]
    assert report.findings[0].seq == 1
    assert column in report.findings[0].message


def test_an_event_about_a_job_must_have_that_jobs_key() -> None:
    sealed_log(1)
    body = json.loads(event_at(0).body) | {"object": {"kind": "job", "id": "1"}}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    execute("UPDATE imagegen_auditevent SET body = %s, object_type = 'job', object_id = '1'", text)
    execute("UPDATE imagegen_auditevent SET job_id = %s", "0" * 32)
    set_hash(0, translog.leaf_hash(text))
    rebuild_tiles()

    report = verification.verify()

    assert [f.kind for f in report.findings] == ["changed_column", "checkpoint"]
    assert "job_id" in report.findings[0].message


def test_a_deleted_event_is_named() -> None:
    sealed_log(5)
    event = event_at(3)
    with without_foreign_keys():
        execute("DELETE FROM imagegen_auditevent WHERE id = %s", event.pk)

    report = verification.verify()

    assert kinds(report) == ["deleted_event"]
    assert (report.findings[0].seq, report.findings[0].event_id) == (3, event.pk)


def test_an_event_deleted_with_its_leaf_is_a_gap() -> None:
    sealed_log(5)
    event = event_at(3)
    execute("DELETE FROM imagegen_auditleaf WHERE seq = 3")
    execute("DELETE FROM imagegen_auditevent WHERE id = %s", event.pk)

    report = verification.verify()

    assert kinds(report) == ["gap"]
    assert report.findings[0].seq == 3
    assert "Entry 3 is missing" in report.findings[0].message


def test_consecutive_missing_positions_are_one_gap() -> None:
    sealed_log(9)
    execute("DELETE FROM imagegen_auditleaf WHERE seq IN (3, 4, 7)")

    report = verification.verify()

    gaps = [f.message for f in report.findings if f.kind == "gap"]
    assert gaps == ["Entries 3 to 4 are missing.", "Entry 7 is missing."]
    assert kinds(report).count("missing_leaf") == 3
    assert report.first is not None
    assert report.first.seq == 3


def test_a_truncated_log_differs_from_its_tiles_and_checkpoint() -> None:
    sealed_log(5)
    last = [event_at(3).pk, event_at(4).pk]
    execute("DELETE FROM imagegen_auditleaf WHERE seq >= 3")
    execute("DELETE FROM imagegen_auditevent WHERE id IN (%s, %s)", *last)

    report = verification.verify()

    assert kinds(report) == ["gap", "rollback"]
    assert report.findings[0].message == "Entries 3 to 4 are missing at the end of the log."
    assert "5 events is signed, but the log has 3" in report.findings[1].message


def test_a_gap_wider_than_a_chunk_ends_the_verification() -> None:
    sealed_log(3)
    far = 2 * verification.CHUNK
    execute("UPDATE imagegen_auditleaf SET seq = %s WHERE seq = 2", far)

    report = verification.verify()

    assert not report.ok
    assert report.first is not None
    assert report.first.seq == 2


def test_a_log_that_begins_after_the_first_chunk_is_one_gap() -> None:
    sealed_log(1)
    far = 2 * verification.CHUNK
    execute("UPDATE imagegen_auditleaf SET seq = %s", far)

    report = verification.verify()

    assert report.findings[0].message == f"Entries 0 to {far - 1} are missing."


def test_an_event_neither_sealed_nor_waiting_is_found() -> None:
    sealed_log(2)
    append(1)
    execute("DELETE FROM imagegen_auditpending")

    report = verification.verify()

    lost = AuditEvent.objects.latest("pk")
    assert kinds(report) == ["missing_leaf"]
    assert report.findings[0].event_id == lost.pk
    assert report.findings[0].message.startswith(f"Event {lost.pk} ({lost.type}, ")


def test_a_changed_leaf_is_named() -> None:
    sealed_log(4)
    set_hash(2, b"x" * 32)

    report = verification.verify()

    assert [(f.kind, f.seq) for f in report.findings] == [("changed_leaf", 2)]


def test_a_changed_tile_is_found_at_its_entry() -> None:
    sealed_log(4)
    data = bytes(AuditTile.objects.get().data)
    set_tile(level=0, index=0, data=data[:32] + b"x" * 32 + data[64:])

    report = verification.verify()

    assert [(f.kind, f.seq) for f in report.findings] == [("tile_mismatch", 1)]


def test_a_body_changed_together_with_its_leaf_breaks_tile_and_checkpoint() -> None:
    sealed_log(4)
    event = event_at(2)
    body = event.body.replace('"size":2', '"size":9')
    execute("UPDATE imagegen_auditevent SET body = %s WHERE id = %s", body, event.pk)
    set_hash(2, translog.leaf_hash(body))

    report = verification.verify()

    assert kinds(report) == ["tile_mismatch", "checkpoint"]
    assert report.findings[0].seq == 2


def test_body_leaf_and_tile_changed_alike_differ_from_the_signed_root() -> None:
    sealed_log(4)
    append(4)
    sealing.seal()
    sealing.make_checkpoint(SYSTEM, force=True)
    event = event_at(6)
    body = event.body.replace('"size":2', '"size":9')
    assert body != event.body
    execute("UPDATE imagegen_auditevent SET body = %s WHERE id = %s", body, event.pk)
    set_hash(6, translog.leaf_hash(body))
    rebuild_tiles()

    report = verification.verify()

    assert kinds(report) == ["checkpoint"]
    assert "something in entries 4 to 7 was changed" in report.findings[0].message


def test_three_different_hashes_are_a_changed_body() -> None:
    sealed_log(2)
    event = event_at(0)
    set_hash(0, b"x" * 32)
    execute(
        "UPDATE imagegen_auditevent SET body = %s WHERE id = %s", rewritten(event.body), event.pk
    )

    report = verification.verify()

    assert [(f.kind, f.seq) for f in report.findings] == [("changed_body", 0)]


def test_a_missing_tile_is_found_once_and_upper_tiles_are_compared() -> None:
    sealed_log(600)
    execute("DELETE FROM imagegen_audittile WHERE level = 0")
    set_tile(level=1, index=0, data=b"y" * 64)

    report = verification.verify()

    sentences = [f.message for f in report.findings if f.kind == "tile_mismatch"]
    assert sentences == [
        *(f"Tile {index} of level 0 is missing or too short." for index in range(3)),
        "Tile 0 of level 1 differs from the events below it.",
    ]
    assert [f.seq for f in report.findings if f.kind == "tile_mismatch"][:3] == [0, 256, 512]
