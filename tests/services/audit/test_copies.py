"""Verification compares the log with all copies outside of the database, and with the newest."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings

from imagegen_app.core import notes, translog
from imagegen_app.models import CheckpointCopy
from imagegen_app.services.audit import log_key, publication, sealing, verification
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
    sealed_log(2)
    older = {path.name for path in folder.iterdir()}
    sealed_log(3)
    for path in folder.iterdir():
        if path.name not in older:
            path.unlink()

    report = verification.verify()

    assert kinds(report) == ["published"]
    assert "The checkpoint of 5 events was published to “auditor”" in report.findings[0].message


def test_a_copy_that_is_none_of_this_log_is_found(folder: Path) -> None:
    sealed_log(1)
    path = put_copy(folder, "nonsense")

    report = verification.verify()

    assert kinds(report) == ["published"]
    assert path.name in report.findings[0].message


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
