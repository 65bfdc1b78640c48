from __future__ import annotations

import logging
import re
from pathlib import Path

import httpcore
import httpx
import pytest

import imagegen_app
from imagegen_app.core import live_secrets
from imagegen_app.core.types import GenerationRequest, Operation, Size
from imagegen_app.providers.credentials import Credential, Secret
from imagegen_app.providers.http import Auth
from imagegen_app.providers.redaction import (
    OTHER_LOGGERS,
    RedactingFilter,
    install_filter,
    redact,
)


@pytest.mark.parametrize(
    "text",
    [
        "GET https://cdn.example.com/a.png?sig=TOPSECRET&x=1 failed",
        "https://user:TOPSECRET@example.com/path",
        "Authorization: Bearer TOPSECRETtoken1",
        "api_key=TOPSECRETkey and token: TOPSECRETvalue",
        "used sk-TOPSECRETabcdefghij today",
        "apikey=TOPSECRETkey and X-Api-Key: TOPSECRETkey",
        "access_token=TOPSECRETvalue",
        "data:image/png;base64,TOPSECRETAAAA==",
    ],
)
def test_what_looks_secret_is_hidden_though_nobody_named_it(text: str) -> None:
    assert "TOPSECRET" not in redact(text)


def test_a_secret_that_was_named_is_hidden_wherever_it_stands() -> None:
    assert (
        redact("named TOPSECRET outright", secrets=("TOPSECRET", "")) == "named [hidden] outright"
    )


def test_words_that_only_end_like_a_key_stay_readable() -> None:
    assert redact("monkey: chimpanzee, tokens: 1234567890") == (
        "monkey: chimpanzee, tokens: 1234567890"
    )


def test_the_rest_of_a_url_stays_readable() -> None:
    assert redact("see https://cdn.example.com/a/b.png?sig=1#x now") == (
        "see https://cdn.example.com/a/b.png now"
    )


def test_a_log_record_is_redacted_with_its_arguments() -> None:
    record = logging.LogRecord("httpx", logging.INFO, "", 1, "GET %s", ("https://a.b/c?k=1",), None)

    assert RedactingFilter().filter(record)

    assert record.getMessage() == "GET https://a.b/c"


def test_a_traceback_and_a_stack_are_redacted_too() -> None:
    error = ValueError("Illegal header value b'Bearer TOPSECRETtoken1'")
    trace = (ValueError, error, None)
    record = logging.LogRecord("x", logging.ERROR, "", 1, "failed", (), trace)
    record.stack_info = "key=TOPSECRETtoken1"

    RedactingFilter().filter(record)

    shown = logging.Formatter("%(message)s").format(record)
    assert "Illegal header value" in shown
    assert "TOPSECRET" not in shown


def test_a_message_whose_arguments_do_not_fit_is_redacted_as_well() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 1, "%d keys", ("key=TOPSECRETtoken1",), None)

    RedactingFilter().filter(record)

    assert "TOPSECRET" not in record.getMessage()


def test_a_secret_that_was_read_is_hidden_in_logs_though_nothing_looks_like_it() -> None:
    Secret("plain words 4711 as a key")

    assert redact("it is plain words 4711 as a key") == "it is [hidden]"
    live_secrets.forget_all()


def test_every_logger_that_we_or_our_http_library_use_has_the_filter() -> None:
    install_filter()
    pattern = re.compile(r"getLogger\(([\w.\"']+)\)")
    names = set()
    for package in (imagegen_app, httpx, httpcore):
        folder = Path(package.__path__[0])
        for path in folder.rglob("*.py"):
            module = ".".join([folder.name, *path.relative_to(folder).with_suffix("").parts])
            for name in pattern.findall(path.read_text("utf-8")):
                names.add(module if name == "__name__" else name.strip("\"'"))
    # The one is the filter's own variable, the other a logger that the site names for checkpoints.
    names -= {"name", "target"}
    # Not ours to filter: what we read ourselves is kept out of them where it is read.
    names -= set(OTHER_LOGGERS)

    bare = {n for n in names if not logging.getLogger(n).filters}

    assert {"httpx", "httpcore.http11", "imagegen.driver"} <= names
    assert bare == set()


def test_values_that_hold_secrets_do_not_print_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "TOPSECRET-0123456789")
    credential = Credential(name="a", sources=("env:A_KEY",), hosts=frozenset({"a.example"}))
    secret = credential.values()[0]
    request = GenerationRequest(
        Operation.GENERATE, "m", prompt="TOPSECRET", size=Size(1, 1), webhook_url="TOPSECRET"
    )

    shown = [f"{x} {x!r}" for x in (credential, secret, Auth(credential), request)]

    assert not any("TOPSECRET" in text for text in shown)


def test_the_row_that_a_database_refused_and_a_brokers_password_are_not_in_a_traceback() -> None:
    cause = ValueError(
        'violates check constraint "x"\nDETAIL:  Failing row contains (1, a TOPSECRET prompt\n\nof '
        "TOPSECRET lines)."
    )
    error = RuntimeError("cannot connect to redis://:TOPSECRET@broker:6379/0")
    error.__cause__ = cause
    record = logging.LogRecord("x", logging.ERROR, "", 1, "failed", (), (RuntimeError, error, None))

    RedactingFilter().filter(record)

    shown = logging.Formatter("%(message)s").format(record)
    assert "TOPSECRET" not in shown
    assert "violates check constraint" in shown
    assert "cannot connect to redis://broker:6379/0" in shown
