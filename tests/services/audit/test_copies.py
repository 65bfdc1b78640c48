"""Verification compares the log with all copies outside of the database, and with the newest."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.db import connection

from imagegen_app.core import notes, translog
from imagegen_app.models import CheckpointCopy
from imagegen_app.services.audit import log_key, publication, sealing, verification
from imagegen_app.services.foundation import clock
from tests.services.audit.log_tampering import (
    SYSTEM,
    append,
    event_at,
    execute,
    kinds,
    put_copy,
    rebuild_tiles,
    rewritten,
    sealed_log,
    set_hash,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("unguarded_log")]


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


def rewind(folder: Path) -> None:
    """Publish a log of 3 entries, and put the copies back to what they were at 2."""
    sealed_log(2)
    older = {path.name for path in folder.iterdir()}
    sealed_log(3)
    for path in folder.iterdir():
        if path.name not in older:
            path.unlink()


def test_all_copies_are_compared() -> None:
    sealed_log(2)
    sealed_log(3)

    report = verification.verify()

    assert (report.ok, report.copies) == (True, 2)


def test_a_log_that_was_rewritten_and_signed_anew_differs_from_an_older_copy(folder: Path) -> None:
    sealed_log(2)
    body = rewritten(event_at(1).body)
    execute(
        "UPDATE imagegen_auditevent SET body = %s, type = %s WHERE id = %s",
        body,
        "log.verifiee",
        event_at(1).pk,
    )
    set_hash(1, translog.leaf_hash(body))
    rebuild_tiles()
    execute("DELETE FROM imagegen_checkpointcopy")
    execute("DELETE FROM imagegen_checkpoint")
    append(1)
    sealing.seal()
    # The key was stolen, too: the newest copy is valid and agrees with the log.
    size, root = 3, translog.TileReader(sealing.fetch_tile).root(3)
    put_copy(
        folder,
        notes.sign_checkpoint(
            origin="test.example/log", size=size, root=root, private_key=log_key.private_key()
        ),
        size=size,
    )

    report = verification.verify()

    assert kinds(report) == ["checkpoint"]
    assert "The signed root of 2 events differs" in report.findings[0].message


def test_copies_that_were_rewound_with_the_log_are_found(folder: Path) -> None:
    rewind(folder)

    report = verification.verify()

    assert kinds(report) == ["published"]
    assert "The checkpoint of 5 events was published to “auditor”" in report.findings[0].message


def test_a_copy_that_is_none_of_this_log_is_found(folder: Path) -> None:
    sealed_log(1)
    path = put_copy(folder, "nonsense")

    report = verification.verify()

    assert kinds(report) == ["published"]
    assert path.name in report.findings[0].message


def test_a_copy_that_was_recorded_under_another_checkpoint_is_found() -> None:
    sealed_log(2)
    sealed_log(3)
    append(1)
    sealing.seal()
    newest = sealing.make_checkpoint(SYSTEM, force=True)
    assert newest is not None
    last = CheckpointCopy.objects.latest("pk")
    execute(
        "UPDATE imagegen_checkpointcopy SET checkpoint_id = %s WHERE id = %s", newest.pk, last.pk
    )

    report = verification.verify()

    assert kinds(report) == ["published"]
    assert "The checkpoint of 6 events was published" in report.findings[0].message


def test_a_copy_that_was_recorded_for_another_place_is_found(
    settings: Any, tmp_path: Path, folder: Path
) -> None:
    two = {
        "auditor": {"KIND": "folder", "TARGET": folder},
        "partner": {"KIND": "folder", "TARGET": tmp_path / "partner"},
    }
    one = settings.IMAGEGEN
    settings.IMAGEGEN = {**one, "AUDIT": {**one["AUDIT"], "PUBLISH_TO": two}}
    sealed_log(2)
    settings.IMAGEGEN = one
    sealed_log(1)
    settings.IMAGEGEN = {**one, "AUDIT": {**one["AUDIT"], "PUBLISH_TO": two}}
    assert verification.verify().ok
    last = CheckpointCopy.objects.latest("pk")
    execute("UPDATE imagegen_checkpointcopy SET place = 'partner' WHERE id = %s", last.pk)

    report = verification.verify()

    assert kinds(report) == ["published"]
    assert "The checkpoint of 3 events was published to “partner”" in report.findings[0].message


def test_the_order_of_the_recorded_copies_hides_no_missing_one(folder: Path) -> None:
    rewind(folder)
    first = CheckpointCopy.objects.earliest("pk")
    later = connection.ops.adapt_datetimefield_value(clock.now() + timedelta(hours=1))
    execute("UPDATE imagegen_checkpointcopy SET published_at = %s WHERE id = %s", later, first.pk)

    report = verification.verify()

    assert "The checkpoint of 5 events was published to “auditor”" in report.findings[0].message


def test_a_copy_that_was_recorded_as_older_than_its_checkpoint_is_found() -> None:
    sealed_log(2)
    earlier = connection.ops.adapt_datetimefield_value(clock.now() - timedelta(days=1))
    execute("UPDATE imagegen_checkpointcopy SET published_at = %s", earlier)

    report = verification.verify()

    assert kinds(report) == ["published"]
    assert "before it was signed" in report.findings[0].message


def test_old_copies_may_be_cleared_away(folder: Path) -> None:
    sealed_log(2)
    older = [*folder.iterdir()]
    sealed_log(3)
    for path in older:
        path.unlink()

    assert verification.verify().ok


def test_a_place_that_cannot_be_reached_is_named_and_is_no_finding(folder: Path) -> None:
    sealed_log(1)
    shutil.rmtree(folder)

    report = verification.verify()

    assert report.ok
    assert report.unreached == {"auditor": "No such file or directory"}


def test_publishing_again_makes_a_lost_folder_anew(folder: Path) -> None:
    sealed_log(1)
    shutil.rmtree(folder)

    assert publication.publish(SYSTEM, force=True) == {"auditor": ""}
    assert verification.verify().copies == 1
    assert CheckpointCopy.objects.count() == 1
