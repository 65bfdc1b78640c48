"""What keeps a place from being published to is recorded, and told with what to do about it."""

from __future__ import annotations

import json
import smtplib
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings

from imagegen_app import conf
from imagegen_app.models import AuditEvent, CheckpointCopy
from imagegen_app.services.audit import publication
from imagegen_app.services.gateways import checkpoint_places
from tests.services.audit.log_tampering import SYSTEM
from tests.services.audit.test_publication import grow, places

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("unguarded_log")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that can be published to."""
    return tmp_path / "published"


def test_a_git_repository_that_is_not_there_fails_without_its_address(
    settings: Any, tmp_path: Path
) -> None:
    places(settings, tmp_path, repository=("git", tmp_path / "nowhere"))
    grow()

    (problem,) = publication.publish(SYSTEM).values()

    assert problem == (
        "git ls-remote failed: there is no repository at TARGET, or the credentials do not show it; "
        "check TARGET"
    )


@pytest.mark.parametrize(
    ("complaint", "words"),
    [
        ("fatal: Authentication failed for 'https://ann:secret@git.example/log'", "credentials"),
        ("git@git.example: Permission denied (publickey).", "credentials"),
        ("fatal: could not read Username for 'https://git.example'", "credentials"),
        ("Host key verification failed.\nfatal: Could not read from remote", "known_hosts"),
        ("fatal: unable to access: Could not resolve host: git.example", "name service"),
        ("Failed to connect to git.example port 443: Connection refused", "firewalls"),
        ("fatal: SSL certificate problem: certificate has expired", "certificate"),
        ("! [remote rejected] x -> checkpoints (pre-receive hook declined)", "refuses the push"),
        ("! [rejected] x -> checkpoints (fetch first)", "tried again"),
        ("fatal: detected dubious ownership in repository", "safe.directory"),
        ("fatal: repository 'https://git.example/secret' not found", "no repository at TARGET"),
        ("fatal: the remote end is on fire: secret", "run it by hand"),
    ],
)
def test_what_git_complains_of_is_said_in_words_of_our_own(
    settings: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    complaint: str,
    words: str,
) -> None:
    script = tmp_path / "bin" / "git"
    script.parent.mkdir()
    (tmp_path / "complaint").write_text(complaint)
    script.write_text(
        f'#!/bin/sh\n[ "$1" = init ] && exit 0\n/bin/cat {tmp_path}/complaint >&2\nexit 128\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(script.parent))
    places(settings, tmp_path, repository=("git", "https://ann:secret@git.example/log"))
    grow()

    (problem,) = publication.publish(SYSTEM).values()

    assert problem.startswith("git ls-remote failed: ")
    assert words in problem
    assert "secret" not in problem
    assert "git.example" not in problem


def test_an_alias_that_the_storages_lack_is_named(settings: Any, tmp_path: Path) -> None:
    places(settings, tmp_path, bucket=("storage", "bukcet"))
    grow()

    problems = publication.publish(SYSTEM)
    ((message, hint),) = checkpoint_places.invalid_places(conf.get().audit.publish_to)

    assert problems == {
        "bucket": "STORAGES has no alias “bukcet”; add it, or correct the place's TARGET"
    }
    assert "names 'bukcet', which STORAGES does not have" in message
    assert "Add this alias" in hint


def test_a_storage_that_cannot_be_built_is_named(settings: Any, tmp_path: Path) -> None:
    settings.STORAGES = {**django_settings.STORAGES, "bucket": {"BACKEND": "no.such.Storage"}}
    places(settings, tmp_path, bucket=("storage", "bucket"))
    grow()

    (problem,) = publication.publish(SYSTEM).values()

    assert problem == (
        "the storage “bucket” failed (InvalidStorageError); check its entry in STORAGES"
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (smtplib.SMTPAuthenticationError(535, b"ann@example.org"), "EMAIL_HOST_PASSWORD"),
        (smtplib.SMTPRecipientsRefused({"ann@example.org": (550, b"no")}), "TARGET"),
        (smtplib.SMTPSenderRefused(550, b"no", "ann@example.org"), "DEFAULT_FROM_EMAIL"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
    ],
)
def test_a_mail_server_that_refuses_is_told_of_without_addresses(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def fail(*_args: Any) -> None:
        raise error

    monkeypatch.setattr(checkpoint_places, "send_mail", fail)
    places(settings, tmp_path, auditor=("email", "log@example.org"))
    grow()

    (problem,) = publication.publish(SYSTEM).values()

    assert words in problem
    assert "check" in problem
    assert "example.org" not in problem


def test_a_place_that_fails_is_recorded_once_and_keeps_no_other_from_it(
    settings: Any, tmp_path: Path, folder: Path
) -> None:
    (tmp_path / "file").write_text("")
    broken = ("folder", tmp_path / "file" / "below")
    places(settings, tmp_path, auditor=("folder", folder), broken=broken)
    grow()

    results = [publication.publish(SYSTEM, force=True) for _ in range(2)]

    assert results == [{"auditor": "", "broken": "Not a directory"}] * 2
    assert list(CheckpointCopy.objects.values_list("place", flat=True)) == ["auditor"]
    assert AuditEvent.objects.filter(type="log.publishing_failed").count() == 1


def test_each_place_that_fails_is_recorded_once_a_day(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    first = ("folder", tmp_path / "file" / "below")
    second = ("folder", tmp_path / "second")
    places(settings, tmp_path, first=first, second=second)
    grow()
    publication.publish(SYSTEM, force=True)
    places(settings, tmp_path, first=first, second=("folder", tmp_path / "file" / "other"))

    for _ in range(2):
        publication.publish(SYSTEM, force=True)

    bodies = AuditEvent.objects.filter(type="log.publishing_failed").values_list("body", flat=True)
    told = [json.loads(body)["data"] for body in bodies]
    assert told == [
        {"places": "first", "error": "Not a directory"},
        {"places": "second", "error": "Not a directory"},
    ]


def test_a_mail_service_that_fails_in_its_own_way_is_only_recorded(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any) -> None:
        raise LookupError("the service's own words")

    monkeypatch.setattr(checkpoint_places, "send_mail", fail)
    places(settings, tmp_path, auditor=("email", "log@example.org"))
    grow()

    assert publication.publish(SYSTEM) == {
        "auditor": "the place's back end raised LookupError; check its settings"
    }
