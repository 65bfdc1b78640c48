"""The log is published to every place, hourly, and only if it continues what is there."""

from __future__ import annotations

import json
import logging
import subprocess
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.core import mail
from django.db import connection

from imagegen_app.core import notes
from imagegen_app.models import AuditEvent, CheckpointCopy
from imagegen_app.services.audit import log_key, publication, sealing, verification
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways import publication_status
from tests.services.audit.log_tampering import SYSTEM, append, execute, put_copy, sealed_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("unguarded_log")]


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    """Publish to a folder of each test."""
    places(settings, tmp_path, auditor=("folder", tmp_path / "published"))
    return tmp_path / "published"


def places(settings: Any, tmp_path: Path, **entries: tuple[str, object]) -> None:
    """Publish to these places only."""
    settings.IMAGEGEN = {
        **django_settings.IMAGEGEN,
        "STATE_DIR": tmp_path / "state",
        "AUDIT": {
            "ORIGIN": "test.example/log",
            "PUBLISH_TO": {
                name: {"KIND": kind, "TARGET": str(target)}
                for name, (kind, target) in entries.items()
            },
        },
    }


def age_copies(seconds: int) -> None:
    """Make all copies look older."""
    at = connection.ops.adapt_datetimefield_value(clock.now() - timedelta(seconds=seconds))
    execute("UPDATE imagegen_checkpointcopy SET published_at = %s", at)


def grow(count: int = 1) -> None:
    append(count)
    sealing.seal()
    sealing.make_checkpoint(SYSTEM, force=True)


def test_copies_of_a_folder_are_added_and_never_replaced(folder: Path) -> None:
    sealed_log(2)
    grow()
    publication.publish(SYSTEM, force=True)

    sizes = [
        notes.verify_checkpoint(path.read_text(), sealing.vkey()).size
        for path in sorted(folder.iterdir())
    ]

    assert sizes == [2, 3]
    assert CheckpointCopy.objects.count() == 2


def test_a_place_gets_the_log_hourly_and_an_idle_log_once() -> None:
    grow()
    publication.publish(SYSTEM)
    grow()

    too_soon = publication.is_due(), publication.publish(SYSTEM)
    age_copies(publication_status.PUBLISH_SECONDS + 1)
    in_time = publication.is_due(), publication.publish(SYSTEM)
    age_copies(publication_status.PUBLISH_SECONDS + 1)
    sealing.make_checkpoint(SYSTEM, force=True)

    assert too_soon == (False, {})
    assert in_time == (True, {"auditor": ""})
    assert not publication.is_due()


def test_a_storage_alias_is_a_place(settings: Any, tmp_path: Path) -> None:
    settings.STORAGES = {
        **django_settings.STORAGES,
        "bucket": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "bucket")},
        },
    }
    (tmp_path / "bucket").mkdir()
    places(settings, tmp_path, bucket=("storage", "bucket"))

    sealed_log(2)
    again = publication.publish(SYSTEM, force=True)

    assert again == {"bucket": ""}
    assert len(list((tmp_path / "bucket" / "checkpoints").iterdir())) == 1
    assert verification.verify().copies == 1


def test_a_git_repository_is_a_place(settings: Any, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", "--bare", tmp_path / "repository"], check=True)
    places(settings, tmp_path, repository=("git", tmp_path / "repository"))

    sealed_log(2)
    publication.publish(SYSTEM, force=True)
    grow()
    published = publication.publish(SYSTEM, force=True)
    report = verification.verify()

    log = ["git", "-C", str(tmp_path / "repository"), "log", "--format=%s", "checkpoints"]
    printed = subprocess.run(log, check=True, capture_output=True, text=True).stdout
    assert published == {"repository": ""}
    assert printed.splitlines() == ["test.example/log: 3", "test.example/log: 2"]
    assert (report.ok, report.copies) == (True, 2)


def test_a_mailbox_is_a_place(settings: Any, tmp_path: Path) -> None:
    places(settings, tmp_path, auditor=("email", "log@example.org"))

    sealed_log(2)

    (message,) = mail.outbox
    assert message.to == ["log@example.org"]
    assert notes.verify_checkpoint(str(message.body), sealing.vkey()).size == 2


@pytest.fixture
def service() -> Iterator[tuple[str, list[Any]]]:
    """Take the first request and fail afterwards; give the address and what came."""
    taken: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if len(taken) > 1 else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", taken
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_is_a_place(
    settings: Any,
    tmp_path: Path,
    service: tuple[str, list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    origin, taken = service
    monkeypatch.setenv("LOG_URL", f"{origin}/log?token=secret")
    places(settings, tmp_path, auditor=("webhook", "env:LOG_URL"))
    settings.IMAGEGEN = {**settings.IMAGEGEN, "TRUSTED_ORIGINS": [origin]}

    sealed_log(2)
    refused = publication.publish(SYSTEM, force=True)

    assert notes.verify_checkpoint(taken[0]["note"], sealing.vkey()).size == 2
    assert (taken[0]["origin"], taken[0]["size"]) == ("test.example/log", 2)
    assert refused == {"auditor": "it answered with the status 500"}
    assert CheckpointCopy.objects.count() == 1


def test_a_webhook_into_the_own_network_is_refused(settings: Any, tmp_path: Path) -> None:
    places(settings, tmp_path, auditor=("webhook", "http://127.0.0.1:8898/"))
    grow()

    assert publication.publish(SYSTEM) == {"auditor": "address refused"}


def test_a_logger_is_a_place(
    settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    places(settings, tmp_path, siem=("logger", "checkpoints.siem"))

    with caplog.at_level(logging.INFO, "checkpoints.siem"):
        sealed_log(2)

    (line,) = [r.getMessage() for r in caplog.records if r.name == "checkpoints.siem"]
    assert notes.verify_checkpoint(json.loads(line)["checkpoint"], sealing.vkey()).size == 2


def test_a_log_that_is_no_longer_signed_is_a_problem() -> None:
    sealed_log(1)
    at = clock.now() - timedelta(seconds=publication_status.LATE_SECONDS + 1)
    execute(
        "UPDATE imagegen_checkpoint SET created_at = %s",
        connection.ops.adapt_datetimefield_value(at),
    )

    (problem,) = publication_status.publication_problems()

    assert problem.message == "The log has not been signed for more than 2 hours."


def test_a_log_that_does_not_continue_its_copies_is_published_nowhere(folder: Path) -> None:
    grow(2)
    longer = notes.sign_checkpoint(
        origin="test.example/log", size=9, root=b"r" * 32, private_key=log_key.private_key()
    )
    put_copy(folder, longer)

    result = publication.publish(SYSTEM, force=True)

    assert "does not continue" in result["auditor"]
    assert len(list(folder.iterdir())) == 1
    assert AuditEvent.objects.filter(type="log.rollback_detected").count() == 1


def test_what_is_not_published_is_a_problem_until_it_is(
    settings: Any, tmp_path: Path, folder: Path
) -> None:
    def problems() -> list[str]:
        return [problem.message for problem in publication_status.publication_problems()]

    places(settings, tmp_path)
    nowhere = problems()
    places(settings, tmp_path, auditor=("folder", folder))
    grow()
    never = problems()
    publication.publish(SYSTEM)
    fresh = problems()
    grow()
    at = clock.now() - timedelta(seconds=publication_status.LATE_SECONDS + 1)
    execute(
        "UPDATE imagegen_checkpoint SET created_at = %s",
        connection.ops.adapt_datetimefield_value(at),
    )
    sealing.make_checkpoint(SYSTEM, force=True)
    late = problems()

    assert "published nowhere" in nowhere[0]
    assert "no copy has been published" in never[0]
    assert fresh == []
    assert "The place “auditor” has no new copy of the log: the last one has 1 entries." in late[0]
