from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.db import connection

from imagegen_app.core import notes
from imagegen_app.models import (
    AuditEvent,
    AuditPersonalText,
    AuditTile,
    Checkpoint,
)
from imagegen_app.services.audit import _log_findings, log_key, publication, sealing, verification
from imagegen_app.services.foundation import clock
from imagegen_app.services.policy import access
from imagegen_app.services.worker import sweep
from imagegen_app.testing.factories import make_user
from tests.services.audit.log_tampering import (
    SYSTEM,
    append,
    event_at,
    execute,
    kinds,
    sealed_log,
    set_tile,
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


def test_a_checkpoint_signed_by_another_key_is_not_trusted(settings: Any, tmp_path: Path) -> None:
    sealed_log(2)
    # A host whose state folder has a key of its own.
    settings.IMAGEGEN = {**settings.IMAGEGEN, "STATE_DIR": tmp_path / "other"}
    log_key.next_key()
    log_key.use_next_key()

    report = verification.verify()

    assert set(kinds(report)) == {"checkpoint", "published"}
    assert "no signature of this key" in report.findings[0].message


def test_a_host_without_the_logs_key_makes_no_second_one(settings: Any, tmp_path: Path) -> None:
    sealed_log(2)
    settings.IMAGEGEN = {**settings.IMAGEGEN, "STATE_DIR": tmp_path / "other"}

    with pytest.raises(log_key.KeyOnOtherHost, match=r"Copy audit-signing-key\.pem"):
        verification.verify()

    assert not (tmp_path / "other" / log_key.FILE_NAME).exists()


def test_a_host_without_the_logs_key_goes_on_with_all_else(
    settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sealed_log(2)
    settings.IMAGEGEN = {**settings.IMAGEGEN, "STATE_DIR": tmp_path / "other"}
    append(1)
    execute("UPDATE imagegen_checkpoint SET created_at = %s", "2026-01-01 00:00:00")

    sweep.sweep()

    assert "The log is not signed" in caplog.text
    assert AuditEvent.objects.filter(leaf__isnull=True).count() == 0


def test_a_checkpoint_whose_columns_were_changed_is_found() -> None:
    sealed_log(2)
    execute("UPDATE imagegen_checkpoint SET root = %s", "0" * 64)

    report = verification.verify()

    assert kinds(report) == ["checkpoint"]
    assert "columns differ" in report.findings[0].message


def test_the_time_of_a_checkpoint_is_part_of_what_was_signed() -> None:
    sealed_log(2)
    assert verification.verify().ok
    earlier = clock.now() - timedelta(days=3)
    execute(
        "UPDATE imagegen_checkpoint SET created_at = %s",
        connection.ops.adapt_datetimefield_value(earlier),
    )

    report = verification.verify()

    assert kinds(report) == ["checkpoint"]
    assert "columns differ" in report.findings[0].message


def test_the_signed_root_of_an_empty_log_is_compared() -> None:
    wrong = notes.sign_checkpoint(
        origin="test.example/log", size=0, root=b"r" * 32, private_key=log_key.private_key()
    )
    sealed_log(0)
    execute("UPDATE imagegen_checkpoint SET note = %s, root = %s", wrong, (b"r" * 32).hex())

    report = verification.verify()

    assert [f.message for f in report.findings] == ["The signed root of 0 events differs."]


def test_a_database_rolled_back_behind_what_was_published_is_found() -> None:
    append(3)
    sealing.seal(limit=2)
    older = sealing.make_checkpoint(SYSTEM, force=True)
    assert older is not None
    sealing.seal()
    newest = sealing.make_checkpoint(SYSTEM, force=True)
    assert newest is not None
    publication.publish(SYSTEM, force=True)
    gone = event_at(2).pk
    tile = bytes(AuditTile.objects.get().data)
    execute("DELETE FROM imagegen_checkpointcopy")
    execute("DELETE FROM imagegen_checkpoint WHERE id = %s", newest.pk)
    execute("DELETE FROM imagegen_auditleaf WHERE seq = 2")
    execute("DELETE FROM imagegen_auditevent WHERE id = %s", gone)
    set_tile(level=0, index=0, data=tile[:64])

    report = verification.verify()

    assert kinds(report) == ["rollback"]


def test_changed_added_and_deleted_personal_texts_are_findings() -> None:
    append(3, personal={"note": "Ada was here", "reason": "because"})
    sealing.seal()
    ids = list(AuditEvent.objects.order_by("pk").values_list("pk", flat=True))
    execute(
        "UPDATE imagegen_auditpersonaltext SET value = 'Bob was here'"
        " WHERE event_id = %s AND field = 'note'",
        ids[0],
    )
    execute(
        "UPDATE imagegen_auditpersonaltext SET field = 'email'"
        " WHERE event_id = %s AND field = 'note'",
        ids[1],
    )
    execute("DELETE FROM imagegen_auditpersonaltext WHERE event_id = %s", ids[2])

    report = verification.verify()

    assert [(f.kind, f.seq) for f in report.findings] == [
        ("changed_text", 0),
        # The text that hides under another name.
        ("changed_text", 1),
        ("missing_text", 1),
        ("missing_text", 2),
        ("missing_text", 2),
    ]
    assert "(note)" in report.findings[0].message
    assert report.erased == 0


def test_a_text_that_is_stored_as_that_of_another_person_is_found() -> None:
    ada = access.actor_for(make_user("ada"))
    append(2, actor=ada, personal={"note": "by Ada"})
    append(1, personal={"note": "by the system"})
    sealing.seal()
    first, _second, third = AuditEvent.objects.order_by("pk").values_list("pk", flat=True)
    statement = (
        "UPDATE imagegen_auditpersonaltext SET subject = %s WHERE event_id = %s AND field = %s"
    )
    execute(statement, "", first, "note")
    execute(statement, "person:77", third, "note")

    report = verification.verify()

    assert [(f.kind, f.seq) for f in report.findings] == [("changed_text", 0), ("changed_text", 2)]
    assert "(note) is stored as that of another person" in report.findings[0].message


def test_a_shortened_salt_is_a_changed_text() -> None:
    append(1, personal={"note": "Ada was here"})
    sealing.seal()
    execute("UPDATE imagegen_auditpersonaltext SET salt = %s", b"short")

    report = verification.verify()

    assert kinds(report) == ["changed_text"]
    assert AuditPersonalText.objects.count() == 1


def test_findings_beyond_the_first_hundred_are_only_counted() -> None:
    sealed_log(130)
    execute("UPDATE imagegen_auditevent SET actor_id = 'x'")

    report = verification.verify()

    assert len(report.findings) == _log_findings.MAX_FINDINGS
    assert report.finding_count == 130


@pytest.mark.parametrize("size", [0, 5, 256, 300])
def test_verification_can_start_from_a_checkpoint(size: int) -> None:
    sealed_log(size)
    append(270)
    sealing.seal()
    sealing.make_checkpoint(SYSTEM, force=True)

    report = verification.verify(since=size)

    assert report.ok
    assert report.root == Checkpoint.objects.latest("size").root


def test_starting_from_a_checkpoint_reads_only_later_events() -> None:
    sealed_log(5)
    append(3)
    sealing.seal()
    execute("UPDATE imagegen_auditevent SET actor_id = 'x'")

    report = verification.verify(since=5)

    assert [f.seq for f in report.findings] == [5, 6, 7]


@pytest.mark.parametrize("damage", ["changed", "deleted"])
def test_verification_does_not_start_from_tiles_that_differ_from_the_signed_root(
    damage: str,
) -> None:
    sealed_log(5)
    if damage == "deleted":
        execute("DELETE FROM imagegen_audittile")
    else:
        set_tile(level=0, index=0, data=b"z" * 160)

    report = verification.verify(since=5)

    assert "The tiles do not give the signed root of 5 events." in [
        f.message for f in report.findings
    ]
    assert report.size == 5


def test_verification_does_not_start_from_a_size_without_checkpoint() -> None:
    sealed_log(5)

    with pytest.raises(verification.NoSuchCheckpoint, match="4 events"):
        verification.verify(since=4)


def test_progress_is_reported_to_the_end() -> None:
    append(3)
    sealing.seal()
    reported: list[tuple[int, int]] = []

    verification.verify(progress=lambda done, size: reported.append((done, size)))

    assert reported == [(3, 3)]


def test_a_finding_without_a_position_is_the_first_if_none_has_one() -> None:
    sealed_log(1)
    execute("UPDATE imagegen_checkpoint SET root = %s", "0" * 64)

    first = verification.verify().first

    assert first is not None
    assert first.kind == "checkpoint"
