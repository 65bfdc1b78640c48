"""The command lists, checks, revokes and restores credentials, and prints no value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from imagegen_app.models import RevokedCredential

pytestmark = pytest.mark.django_db
VALUE = "k3y-of-the-images-0123456789"


@pytest.fixture(autouse=True)
def site(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGES_KEY", VALUE)
    entry = {"SOURCE": ["env:IMAGES_KEY", "file:/nowhere"], "HOSTS": ["api.example.com"]}
    settings.IMAGEGEN = {**settings.IMAGEGEN, "CREDENTIALS": {"images": entry}}


def run(capsys: Any, *arguments: str) -> str:
    call_command("imagegen_credentials", *arguments)
    printed = str(capsys.readouterr().out)
    assert VALUE not in printed
    return printed


def test_it_lists_the_credentials_with_their_state(capsys: Any) -> None:
    before = run(capsys, "list")
    revoked = run(capsys, "revoke", "images", "--reason", "It was in a log")
    after = run(capsys, "list")
    (told,) = json.loads(run(capsys, "list", "--json"))
    run(capsys, "restore", "images", "--reason", "It was another one")

    assert before.splitlines() == [
        "images: usable",
        "  env, file; api.example.com; used by nothing",
    ]
    assert revoked == "images: revoked; nothing is sent with it.\n"
    assert "revoked at" in after
    assert "(It was in a log)" in after
    assert told["reason"] == "It was in a log"
    assert not RevokedCredential.objects.filter(restored_at=None).exists()


def test_a_key_is_revoked_at_once_and_explained_later(capsys: Any) -> None:
    revoked = run(capsys, "revoke", "images")

    assert revoked == "images: revoked; nothing is sent with it.\n"
    assert RevokedCredential.objects.get().reason == "Revoked by command; no reason was given."


def test_it_checks_them(capsys: Any, settings: Any) -> None:
    good = run(capsys, "check", "--json")
    entry = {**settings.IMAGEGEN["CREDENTIALS"]["images"], "EXPIRES": "2020-01-31"}
    settings.IMAGEGEN = {**settings.IMAGEGEN, "CREDENTIALS": {"images": entry}}
    with pytest.raises(CommandError, match="cannot be used") as failed:
        run(capsys, "check")

    assert json.loads(good) == []
    assert failed.value.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("revoke", "strange", "--reason", "x"), "no credential “strange”"),
        (("revoke", "images", "--reason", " "), "No reason is given"),
        (("restore", "images"), "required: --reason"),
        (("restore", "images", "--reason", "x"), "is not revoked"),
        (("revoke",), "required: NAME"),
        ((), "required: ACTION"),
        (("burn",), "invalid choice"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    capsys: Any, arguments: tuple[str, ...], told: str
) -> None:
    with pytest.raises(CommandError, match=told):
        run(capsys, *arguments)

    assert not RevokedCredential.objects.filter(restored_at=None).exists()
