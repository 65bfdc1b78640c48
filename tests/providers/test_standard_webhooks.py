from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from imagegen_app.core.errors import AuthenticationFailed
from imagegen_app.core.limits import MAX_WEBHOOK_BYTES
from imagegen_app.providers.credentials import Secret
from imagegen_app.providers.families.standard_webhooks import sign, verify

SECRET = Secret("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
OTHER = Secret("whsec_" + base64.b64encode(b"another secret of 32 bytes......").decode())
NOW = 1_790_000_000
BODY = b'{"type":"response.completed","data":{"id":"resp_1"}}'
GOOD = sign(delivery_id="msg_1", timestamp=NOW, body=BODY, secret=SECRET)


def test_the_signature_is_the_published_one() -> None:
    assert GOOD["webhook-signature"] == "v1,+Ue3c7Su2jla73ZNiFCwiRVYMg1hmEJVmwZOXdQhaG4="


def test_a_genuine_delivery_tells_its_id() -> None:
    assert verify(GOOD, body=BODY, secrets=[SECRET], now=NOW) == "msg_1"


@pytest.mark.parametrize("secrets", [[SECRET, OTHER], [OTHER, SECRET]])
def test_two_secrets_are_live_at_once(secrets: list[Secret]) -> None:
    assert verify(GOOD, body=BODY, secrets=secrets, now=NOW) == "msg_1"


def test_several_signatures_may_come() -> None:
    headers = {**GOOD, "webhook-signature": "v1a,xx v1,AAAA " + GOOD["webhook-signature"]}

    assert verify(headers, body=BODY, secrets=[SECRET], now=NOW) == "msg_1"


def test_header_names_are_read_in_any_case() -> None:
    headers = {name.title(): value for name, value in GOOD.items()}

    assert verify(headers, body=BODY, secrets=[SECRET], now=NOW) == "msg_1"


@pytest.mark.parametrize("shift", [-300, 0, 300])
def test_five_minutes_of_clock_difference_are_allowed(shift: int) -> None:
    assert verify(GOOD, body=BODY, secrets=[SECRET], now=NOW + shift) == "msg_1"


def test_a_repetition_has_the_same_id() -> None:
    first = verify(GOOD, body=BODY, secrets=[SECRET], now=NOW)

    assert verify(GOOD, body=BODY, secrets=[SECRET], now=NOW + 1) == first


def _without(name: str) -> dict[str, str]:
    return {k: v for k, v in GOOD.items() if k != name}


def _digest_with(key: bytes) -> str:
    made = hmac.new(key, f"msg_1.{NOW}.".encode() + BODY, hashlib.sha256).digest()
    return "v1," + base64.b64encode(made).decode()


SIGNATURE = GOOD["webhook-signature"]
FORGED_HEADERS: dict[str, dict[str, str]] = {
    "no headers": {},
    "no id": _without("webhook-id"),
    "no timestamp": _without("webhook-timestamp"),
    "no signature": _without("webhook-signature"),
    "empty id": {**GOOD, "webhook-id": ""},
    "empty timestamp": {**GOOD, "webhook-timestamp": ""},
    "empty signature": {**GOOD, "webhook-signature": ""},
    "other id": {**GOOD, "webhook-id": "msg_2"},
    "id with a dot": {**GOOD, "webhook-id": "msg_1.1"},
    "long id": {**GOOD, "webhook-id": "m" * 129},
    "id with a newline": {**GOOD, "webhook-id": "msg_1\n"},
    "id not ASCII": {**GOOD, "webhook-id": "msg_é"},
    "float timestamp": {**GOOD, "webhook-timestamp": f"{NOW}.0"},
    "negative timestamp": {**GOOD, "webhook-timestamp": f"-{NOW}"},
    "exponent timestamp": {**GOOD, "webhook-timestamp": "1e9"},
    "nan timestamp": {**GOOD, "webhook-timestamp": "nan"},
    "plus timestamp": {**GOOD, "webhook-timestamp": f"+{NOW}"},
    "underscored timestamp": {**GOOD, "webhook-timestamp": "1_790_000_000"},
    "Arabic digits": {**GOOD, "webhook-timestamp": "١٧٩٠٠٠٠٠٠٠"},
    "huge timestamp": {**GOOD, "webhook-timestamp": "9" * 5000},
    "spaced timestamp": {**GOOD, "webhook-timestamp": f" {NOW}"},
    "no comma": {**GOOD, "webhook-signature": "v1"},
    "two commas": {**GOOD, "webhook-signature": SIGNATURE + ",x"},
    "bad base64": {**GOOD, "webhook-signature": "v1,***"},
    "base64 with rubbish": {**GOOD, "webhook-signature": SIGNATURE + "!"},
    "v1a": {**GOOD, "webhook-signature": SIGNATURE.replace("v1,", "v1a,")},
    "v2": {**GOOD, "webhook-signature": SIGNATURE.replace("v1,", "v2,")},
    "upper-case version": {**GOOD, "webhook-signature": SIGNATURE.replace("v1,", "V1,")},
    "cut off": {**GOOD, "webhook-signature": SIGNATURE[:-8]},
    "only v1,": {**GOOD, "webhook-signature": "v1,"},
    "not ASCII": {**GOOD, "webhook-signature": "v1,é"},
    "lone surrogate": {**GOOD, "webhook-signature": "v1,\ud800"},
    "a hundred": {**GOOD, "webhook-signature": " ".join(["v1,AAAA"] * 100 + [SIGNATURE])},
    "a megabyte": {**GOOD, "webhook-signature": "v1," + "A" * 1_000_000},
    "other secret": sign(delivery_id="msg_1", timestamp=NOW, body=BODY, secret=OTHER),
    "undecoded key": {
        **GOOD,
        "webhook-signature": _digest_with(SECRET.reveal().removeprefix("whsec_").encode()),
    },
    "whole secret as key": {**GOOD, "webhook-signature": _digest_with(SECRET.reveal().encode())},
    "empty key": {**GOOD, "webhook-signature": _digest_with(b"")},
    "hex digest": {**GOOD, "webhook-signature": "v1," + "ab" * 32},
    "given twice": {**GOOD, "Webhook-Id": "msg_2"},
}


@pytest.mark.parametrize("name", FORGED_HEADERS)
def test_forged_headers_are_refused_and_nothing_else_escapes(name: str) -> None:
    with pytest.raises(AuthenticationFailed):
        verify(FORGED_HEADERS[name], body=BODY, secrets=[SECRET], now=NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        BODY + b" ",
        b"\xef\xbb\xbf" + BODY,
        BODY.decode().encode("utf-16"),
        BODY.replace(b'":"', b'": "'),
        b"\xff\xfe",
        b"x" * (MAX_WEBHOOK_BYTES + 1),
    ],
)
def test_a_changed_body_is_refused(body: bytes) -> None:
    with pytest.raises(AuthenticationFailed):
        verify(GOOD, body=body, secrets=[SECRET], now=NOW)


@pytest.mark.parametrize("shift", [-301, 301, -(10**6), 10**6])
def test_early_and_late_deliveries_are_refused(shift: int) -> None:
    with pytest.raises(AuthenticationFailed):
        verify(GOOD, body=BODY, secrets=[SECRET], now=NOW + shift)


def test_without_a_secret_nothing_is_genuine() -> None:
    with pytest.raises(AuthenticationFailed):
        verify(GOOD, body=BODY, secrets=[], now=NOW)


@pytest.mark.parametrize("secret", ["", "plain", "whsec_", "whsec_***", "whsec_c2hvcnQ="])
def test_a_malformed_secret_verifies_and_signs_nothing(secret: str) -> None:
    with pytest.raises(AuthenticationFailed):
        verify(GOOD, body=BODY, secrets=[Secret(secret)], now=NOW)
    with pytest.raises(ValueError):  # noqa: PT011  (base64 has its own words)
        sign(delivery_id="m", timestamp=NOW, body=b"", secret=Secret(secret))
