from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from imagegen_app.providers import credentials
from imagegen_app.providers.credentials import (
    Credential,
    Secret,
    SecretMissing,
    SecretUnreadable,
    looks_like_secret,
    parse_source,
)
from tests.services.worker import vaults

HOSTS = frozenset({"api.example.com"})


def from_a_vault() -> str:
    return "from-the-vault"


def test_a_secret_hides_in_repr_str_and_format() -> None:
    secret = Secret("sk-hidden-value-123")

    shown = f"{secret} {secret!r} {secret!s} {secret:>40} {[secret]} {Exception(secret)}"

    assert "hidden" not in shown
    assert secret.reveal() == "sk-hidden-value-123"


def test_a_secret_is_not_pickled() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("x"))


def test_secrets_are_equal_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


def test_a_value_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", " value\n")

    credential = Credential("c", ("env:SOME_KEY",), HOSTS)

    assert credential.values() == (Secret("value"),)
    assert "value" not in repr(credential)


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("first\n")
    credential = Credential("c", (f"file:{path}",), HOSTS)
    first = credential.values()

    path.write_text("second\n")
    os.utime(path, ns=(1, 1))

    assert first == (Secret("first"),)
    assert credential.values() == (Secret("second"),)


@pytest.mark.parametrize("separator", [".", ":"])
def test_a_callable_gives_the_value(separator: str) -> None:
    credential = Credential("c", (f"{__name__}{separator}from_a_vault",), HOSTS)

    assert credential.values() == (Secret("from-the-vault"),)


def test_two_values_are_live_while_one_is_rotated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NEW_KEY", "new")
    monkeypatch.setenv("OLD_KEY", "old")
    credential = Credential(
        "c", ("env:NEW_KEY", "env:OLD_KEY", f"file:{tmp_path}/gone", "env:OLD_KEY"), HOSTS
    )

    assert credential.values() == (Secret("new"), Secret("old"))


def test_a_credential_without_any_value_says_its_name_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_KEY", raising=False)

    with pytest.raises(SecretMissing, match="'c'"):
        Credential("c", ("env:NO_KEY",), HOSTS).values()


@pytest.mark.parametrize("source", ["sk-proj-abcdef1234567890", "", "env:", "file:", "a b", "word"])
def test_a_pasted_value_is_no_source_and_is_not_repeated(source: str) -> None:
    with pytest.raises(ValueError, match="a source is") as caught:
        parse_source(source)

    assert not source or source not in str(caught.value) or source in {"env:", "file:"}


def test_a_credential_needs_a_source() -> None:
    with pytest.raises(ValueError, match="source"):
        Credential("c", (), HOSTS)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/v1",
        "https://API.example.com/v1",
        "https://api.example.com:443/v1",
        "http://api.example.com/v1",
    ],
)
def test_a_credential_may_go_to_its_own_host(url: str) -> None:
    assert Credential("c", ("env:X",), HOSTS).allows(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com:8443/v1",
        "https://evil.example.com/v1",
        "https://api.example.com.evil.com/",
        "https://api.example.com@evil.com/",
        "https://user@api.example.com/",
        "https://evil.com/api.example.com",
        "https://evil.com#api.example.com",
        "ftp://api.example.com/",
        "//api.example.com/",
        "api.example.com",
        "https://[bad",
        "https://api.example.com:99999/",
        "",
    ],
)
def test_a_credential_may_go_nowhere_else(url: str) -> None:
    assert not Credential("c", ("env:X",), HOSTS).allows(url)


@pytest.mark.parametrize(
    ("hosts", "url", "allowed"),
    [
        ({"127.0.0.1"}, "http://127.0.0.1:8123/v1", True),
        ({"[::1]"}, "http://[::1]:8123/v1", True),
        ({"::1"}, "http://[::1]:8123/v1", True),
        ({"localhost:9"}, "http://localhost:9/v1", True),
        ({"localhost:9"}, "http://localhost:8/v1", False),
        ({"gateway.lan:8443"}, "https://gateway.lan:8443/", True),
        ({"gateway.lan"}, "https://gateway.lan:8443/", False),
    ],
)
def test_ports_count_but_on_loopback(hosts: set[str], url: str, allowed: bool) -> None:
    assert Credential("c", ("env:X",), frozenset(hosts)).allows(url) is allowed


@pytest.mark.parametrize(
    "text",
    [
        "sk-proj-Ab12Cd34Ef56Gh78",
        "whsec_MDEyMzQ1Njc4OWFiY2RlZjAx",
        "AKIAIOSFODNN7EXAMPLE",
        "AIzaSyD-1234567890abcdefghijk",
        "Bearer abcdefgh12345678",
        "3f9a7c21d8e35b604f9a7c21d8e35b60",
        "-----BEGIN PRIVATE KEY-----\nMIIE",
        "env:sk-proj-Ab12Cd34Ef56Gh78",
    ],
)
def test_a_pasted_key_is_noticed(text: str) -> None:
    assert looks_like_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "env:OPENAI_API_KEY",
        "file:/run/secrets/openai",
        "mysite.vault.read_key",
        "openai-prod",
        "mysite.vault:read_openai_key_2026",
        "",
    ],
)
def test_the_name_of_a_source_is_no_key(text: str) -> None:
    assert not looks_like_secret(text)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("raises", SecretUnreadable),
        ("exits", SecretUnreadable),
        ("hangs", SecretUnreadable),
        ("needs_an_argument", SecretMissing),
        ("returns_nothing", SecretMissing),
        ("is_asynchronous", SecretMissing),
        ("not_callable", SecretMissing),
        ("gone", SecretMissing),
    ],
)
def test_a_source_that_fails_says_how_and_repeats_nothing(
    monkeypatch: pytest.MonkeyPatch, source: str, expected: type[Exception]
) -> None:
    if source == "hangs":
        monkeypatch.setattr(credentials, "SOURCE_SECONDS", 0.1)
    vaults.released.clear()

    with pytest.raises(SecretMissing) as caught:
        Credential("c", (f"tests.services.worker.vaults.{source}",), HOSTS).values()

    vaults.released.set()
    assert type(caught.value) is expected
    assert vaults.SECRET not in f"{caught.value!r}{caught.value.__cause__!r}"
    assert caught.value.__context__ is None


def test_a_source_that_fails_is_no_obstacle_where_another_one_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OLD_KEY", "old")
    sources = ("tests.services.worker.vaults.raises", "env:OLD_KEY")

    assert Credential("c", sources, HOSTS).values() == (Secret("old"),)
