from __future__ import annotations

import base64
import html
import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from imagegen_app.core import live_secrets
from imagegen_app.core.live_secrets import HIDDEN, hide, hide_in, holds_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = 'sk-Abc/9Xy+7"Qv&2Lm=4tR8'


@pytest.fixture(autouse=True)
def _only_this_key() -> Iterator[None]:
    live_secrets.forget_all()
    live_secrets.remember(KEY)
    yield
    live_secrets.forget_all()


@pytest.mark.parametrize(
    "spelt",
    [
        KEY,
        KEY.upper(),
        KEY.lower(),
        KEY[:12],
        KEY[-12:],
        KEY[5:18],
        quote(KEY),
        quote(KEY, safe=""),
        "".join(f"%{byte:02x}" for byte in KEY.encode()),
        json.dumps(KEY),
        "".join(f"\\u{ord(c):04x}" for c in KEY),
        html.escape(KEY),
        KEY.encode().hex(),
        KEY.encode().hex().upper(),
        *(base64.b64encode(b"x" * n + KEY.encode() + b"y").decode() for n in range(4)),
        base64.urlsafe_b64encode(KEY.encode()).decode(),
        base64.b64encode(f"user:{KEY}".encode()).decode(),
        repr(KEY.encode()),
        " ".join(KEY),
        "\u200b".join(KEY),
    ],
)
def test_a_secret_is_hidden_however_it_is_spelt(spelt: str) -> None:
    hidden = hide(f"before {spelt} after")

    assert HIDDEN in hidden
    assert not holds_secret(hidden)
    assert holds_secret(spelt)
    assert spelt[2:14] not in hidden


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sk-Abc",
        KEY[:11],
        "content_policy_violation",
        "a prompt about a red mug, 100% wool & cotton",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "é ß İ ﬁ 😀 \\u00e9 &amp; %41",
    ],
)
def test_innocent_text_stays_as_it_is(text: str) -> None:
    assert hide(text) == text
    assert not holds_secret(text)


def test_short_values_are_no_secrets() -> None:
    live_secrets.remember("png")
    live_secrets.remember("")

    assert hide("an opaque png") == "an opaque png"


def test_of_a_structured_secret_only_the_keys_are_hidden() -> None:
    key = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"
    document = json.dumps({"type": "service_account", "private_key": f"-----BEGIN-----\n{key}"})
    live_secrets.remember(document)

    assert hide('{"type": "service_account", "x": 1}') == '{"type": "service_account", "x": 1}'
    assert hide(f"it said {key[4:30]}") == f"it said {HIDDEN}"
    assert hide(document) == HIDDEN


def test_values_in_documents_are_hidden_wherever_they_are() -> None:
    document = {"a": [KEY, 1, None], KEY: {"b": (f"x {KEY}", True)}, "c": "fine"}

    assert hide_in(document) == {
        "a": [HIDDEN, 1, None],
        HIDDEN: {"b": (f"x {HIDDEN}", True)},
        "c": "fine",
    }


def test_only_the_latest_secrets_are_kept_and_none_is_printed() -> None:
    for number in range(live_secrets.MAX_SECRETS):
        live_secrets.remember(f"another-secret-{number:04}-{number * 7919:08}")

    assert hide(KEY) == KEY
    assert repr(live_secrets._known) == f"<{live_secrets.MAX_SECRETS} secrets>"


def test_options_are_secret_by_their_names() -> None:
    live_secrets.remember_options(
        {
            "api_key": "option-secret-1",
            "ACCESS_TOKEN": "option-secret-2",
            "url": "https://a.example",
        }
    )

    hidden = hide("option-secret-1 option-secret-2 https://a.example")

    assert hidden == f"{HIDDEN} {HIDDEN} https://a.example"
