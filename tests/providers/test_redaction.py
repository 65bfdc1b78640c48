from __future__ import annotations

import logging

import pytest

from imagegen_app.providers.redaction import RedactingFilter, redact


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
