"""After a backup was restored there is an audited way on, and what was lost is never forgotten."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from imagegen_app.core import log_restores, notes
from imagegen_app.models import (
    AuditEvent,
    AuditLeaf,
    AuditPending,
    AuditPersonalText,
    AuditTile,
    Checkpoint,
    CheckpointCopy,
)
from imagegen_app.services.audit import (
    key_rotation,
    log_export,
    log_key,
    publication,
    restores,
    sealing,
    verification,
    verification_runs,
)
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import publication_status
from imagegen_app.services.monitoring import doctor
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_user
from imagegen_app.testing.plugin import without_triggers
from tests.services.audit.log_tampering import (
    SYSTEM,
    append,
    execute,
    kinds,
    put_copy,
    sealed_log,
    set_tile,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.db.models import Model

pytestmark = pytest.mark.django_db(transaction=True)

#: The tables of the log, each after those that point to it.
_TABLES: dict[type[Model], str] = {
    CheckpointCopy: "DELETE FROM imagegen_checkpointcopy",
    Checkpoint: "DELETE FROM imagegen_checkpoint",
    AuditTile: "DELETE FROM imagegen_audittile",
    AuditLeaf: "DELETE FROM imagegen_auditleaf",
    AuditPending: "DELETE FROM imagegen_auditpending",
    AuditPersonalText: "DELETE FROM imagegen_auditpersonaltext",
    AuditEvent: "DELETE FROM imagegen_auditevent",
}


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    """Publish to a folder of each test."""
    settings.IMAGEGEN = {
        **django_settings.IMAGEGEN,
        "STATE_DIR": tmp_path / "state",
        "AUDIT": {
            "ORIGIN": "test.example/log",
            "PUBLISH_TO": {"auditor": {"KIND": "folder", "TARGET": tmp_path / "published"}},
        },
    }
    return tmp_path / "published"


@contextmanager
def restored() -> Iterator[None]:
    """Put the log back after the block to what it was before, as restoring a backup does."""
    backup = stored()
    yield
    put_back(backup)


def stored() -> dict[type[Model], list[Any]]:
    """Return the rows of the log."""
    return {model: list(model._default_manager.order_by("pk")) for model in _TABLES}


def put_back(backup: dict[type[Model], list[Any]]) -> None:
    """Replace the rows of the log."""
    with without_triggers(connection):
        for delete in _TABLES.values():
            execute(delete)
        _insert(backup)


@use_case(audited=False)
def _insert(backup: dict[type[Model], list[Any]]) -> None:
    for model in reversed(list(_TABLES)):
        model._default_manager.bulk_create(backup[model])


def restored_log(*, kept: int = 4, lost: int = 3) -> None:
    """Publish a log twice, and restore a backup from between."""
    sealed_log(kept)
    with restored():
        sealed_log(lost)


def accept(size: int) -> restores.LostBranch:
    return restores.accept(SYSTEM, size=size, reason="the disk failed; backup of last night")


def command(*arguments: str) -> str:
    """Return how the command refuses."""
    with pytest.raises(CommandError) as caught:
        call_command("imagegen_audit", *arguments)
    return str(caught.value)


def test_after_a_restore_all_refusals_name_the_way_on(tmp_path: Path) -> None:
    restored_log()

    told = {
        "checkpoint": command("checkpoint"),
        "publish command": command("publish"),
        "publish": publication.publish(SYSTEM, force=True)["auditor"],
        "export": command("export", "--out", str(tmp_path / "events.jsonl")),
        "rotate-key": command("rotate-key"),
        "verify": verification.verify().remedy,
        "doctor": " ".join(one.remedy for one in doctor.run_all_checks() if one.part == "log"),
        "page": " ".join(one.remedy for one in publication_status.publication_problems()),
    }

    assert {name: "newer backup first" in text for name, text in told.items()} == dict.fromkeys(
        told, True
    )
    assert {name: "imagegen_audit accept-restore" in text for name, text in told.items()} == (
        dict.fromkeys(told, True)
    )


def test_what_would_be_lost_is_told_before_anything_is_changed() -> None:
    restored_log(kept=4, lost=3)
    append(1)

    lost = restores.find(SYSTEM)

    assert (lost.size, lost.kept, lost.present, lost.lost_count) == (7, 4, 5, 3)
    assert lost.places == ("auditor",)
    assert not AuditEvent.objects.filter(type="log.restore_accepted").exists()


def test_an_accepted_restore_leaves_an_alarm_and_the_log_goes_on(tmp_path: Path) -> None:
    restored_log(kept=4, lost=3)

    lost = accept(7)
    published = publication.publish(SYSTEM, force=True)
    report = verification_runs.verify_and_record(SYSTEM)
    exported = log_export.export(
        SYSTEM, out=tmp_path / "events.jsonl", selection=log_export.ExportFilter()
    )

    event = AuditEvent.objects.get(type="log.restore_accepted")
    data = json.loads(event.body)["data"]
    assert event.severity == "alarm"
    assert (data["size"], data["root"], data["places"]) == (7, lost.root, "auditor")
    assert (data["kept"], data["present"]) == (4, 4)
    assert event.personal_texts.get().value == "the disk failed; backup of last night"
    assert published == {"auditor": ""}
    assert (report.ok, report.given_up, [one.kept for one in report.restores]) == (True, 1, [4])
    header = json.loads(exported.proofs.read_text().splitlines()[0])
    assert [entry["body"] for entry in header["restores"]] == [event.body]


def test_the_warning_stays_in_report_doctor_and_pages() -> None:
    restored_log(kept=4, lost=3)
    accept(7)
    publication.publish(SYSTEM, force=True)
    verification_runs.verify_and_record(SYSTEM)
    warning = (
        "The log was restored from a backup at 4 entries. From entry 4 to entry 6, what was "
        "published in “auditor” is lost."
    )

    problems = [one.message for one in publication_status.publication_problems()]
    checked = [one.message for one in doctor.run_all_checks() if one.part == "log"]
    known = publication_status.publication_problems(publication_status.newest_checkpoint())

    assert problems == [warning]
    assert checked == [warning]
    assert [one.message for one in known] == [warning]
    assert verification.verify().restore_warnings == [warning]


def test_copies_of_the_lost_branch_are_never_valid_again_nor_hide_others(folder: Path) -> None:
    restored_log(kept=4, lost=3)
    accept(7)
    publication.publish(SYSTEM, force=True)
    # The log grows past what was lost, and another copy of that size is none of it.
    sealed_log(6)
    forged = notes.sign_checkpoint(
        origin="test.example/log", size=7, root=b"r" * 32, private_key=log_key.private_key()
    )
    before = verification.verify()
    put_copy(folder, forged, size=7)

    report = verification.verify()

    assert (before.ok, before.given_up) == (True, 1)
    assert report.given_up == 1
    assert kinds(report) == ["checkpoint"]
    assert "The signed root of 7 events differs" in report.findings[0].message


def test_a_log_that_already_grew_past_its_copies_is_accepted_likewise() -> None:
    restored_log(kept=4, lost=3)
    append(9)
    sealing.seal()

    lost = accept(7)

    assert (lost.size, lost.kept, lost.present) == (7, 4, 13)
    assert verification.verify().ok


def test_what_was_given_up_stays_so_after_the_key_was_replaced() -> None:
    restored_log(kept=4, lost=30)
    accept(34)
    key_rotation.rotate(SYSTEM)
    publication.publish(SYSTEM, force=True)

    report = verification.verify()

    assert report.size < 34
    assert (report.ok, report.given_up) == (True, 1)


def test_a_restore_behind_an_accepted_one_is_accepted_anew() -> None:
    sealed_log(4)
    with restored():
        with restored():
            sealed_log(3)
        accept(7)
        sealed_log(9)

    found = restores.find(SYSTEM)
    accept(found.size)

    assert [size for size, _root in found.checkpoints] == [found.size, 7]
    assert found.size > 7
    assert (verification.verify().ok, verification.verify().given_up) == (True, 2)


def test_a_newer_backup_that_is_found_later_gives_up_what_was_written_meanwhile() -> None:
    sealed_log(4)
    with restored():
        sealed_log(3)
        newer = stored()
    accept(7)
    sealed_log(9)
    put_back(newer)

    lost = restores.find(SYSTEM)
    accept(lost.size)

    assert (lost.kept, lost.present) == (7, 7)
    assert (verification.verify().ok, verification.verify().given_up) == (True, 1)


def test_a_log_that_was_signed_before_its_copies_could_be_read_goes_on(
    settings: Any, tmp_path: Path
) -> None:
    settings.STORAGES = {
        **django_settings.STORAGES,
        "bucket": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "bucket")},
        },
    }
    (tmp_path / "bucket").mkdir()
    audit = {"ORIGIN": "test.example/log"}
    bucket = {"PUBLISH_TO": {"bucket": {"KIND": "storage", "TARGET": "bucket"}}}
    settings.IMAGEGEN = {**settings.IMAGEGEN, "AUDIT": {**audit, **bucket}}
    restored_log(kept=4, lost=3)
    for _ in range(4):
        append(1)
        sealing.seal()
        # Only folders are compared before the log is signed.
        assert sealing.make_checkpoint(SYSTEM, force=True) is not None
    assert "accept-restore" in publication.publish(SYSTEM, force=True)["bucket"]

    lost = accept(7)

    assert (lost.kept, lost.places) == (4, ("bucket",))
    assert publication.publish(SYSTEM, force=True) == {"bucket": ""}
    assert verification.verify().ok


def test_many_checkpoints_are_given_up_in_several_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(restores, "_NAMED_AT_ONCE", 2)
    sealed_log(4)
    with restored():
        for _ in range(3):
            sealed_log(1)

    accept(7)

    report = verification.verify()
    assert AuditEvent.objects.filter(type="log.restore_accepted").count() == 2
    assert (report.ok, report.given_up) == (True, 3)
    assert [(one.kept, one.size) for one in report.restores] == [(4, 7)]


def test_nothing_to_accept_a_wrong_size_and_no_reason_are_refused() -> None:
    sealed_log(4)
    with pytest.raises(restores.CannotAccept, match="nothing to accept"):
        accept(4)
    with restored():
        sealed_log(3)

    with pytest.raises(restores.CannotAccept, match="has 7 entries, not 4"):
        accept(4)
    with pytest.raises(restores.CannotAccept, match="Give the reason"):
        restores.accept(SYSTEM, size=7, reason=" ")
    assert not AuditEvent.objects.filter(type="log.restore_accepted").exists()


def test_a_damaged_log_is_no_restored_backup() -> None:
    restored_log(kept=4, lost=3)
    with without_triggers(connection):
        set_tile(level=0, index=0, data=b"z" * 128)

    with pytest.raises(restores.CannotAccept, match="The log is damaged"):
        accept(7)

    assert not AuditEvent.objects.filter(type="log.restore_accepted").exists()


def test_accepting_needs_the_permission() -> None:
    restored_log()
    nobody = access.actor_for(make_user("nobody"))

    with pytest.raises(access.NotPermitted):
        restores.accept(nobody, size=7, reason="because")
    with pytest.raises(access.NotPermitted):
        restores.find(nobody)


def test_an_acceptance_that_was_changed_to_give_up_more_is_found(folder: Path) -> None:
    sealed_log(4)
    (copy,) = folder.iterdir()
    lost = notes.parse_checkpoint(notes.parse_note(copy.read_text()).text)
    restored_log(kept=1, lost=3)
    accept(8)
    body = AuditEvent.objects.get(type="log.restore_accepted").body
    forged = body.replace('"given_up":[', f'"given_up":[[{lost.size},"{lost.root.hex()}"],')
    with without_triggers(connection):
        execute(
            "UPDATE imagegen_auditevent SET body = %s WHERE type = 'log.restore_accepted'", forged
        )

    report = verification.verify()

    assert log_restores.read(forged).given_up > log_restores.read(body).given_up
    assert kinds(report) == ["changed_body"]
