"""Invalid webhook deliveries, each derived from a genuine one; the app must refuse them all."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import random
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imagegen_app.providers.credentials import Secret
from imagegen_app.providers.families import standard_webhooks

if TYPE_CHECKING:
    from collections.abc import Callable

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_OTHER_SECRET = "whsec_" + "QUFB" * 11


@dataclass(frozen=True)
class Delivery:
    """A request to the webhook URL of an attempt."""

    token: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"

    def but(self, **headers: str | None) -> Delivery:
        """Return a copy with some headers (`id`, `timestamp`, `signature`) changed or left out."""
        headers_sent = {**self.headers}
        for name, value in headers.items():
            if value is None:
                del headers_sent[f"webhook-{name}"]
            else:
                headers_sent[f"webhook-{name}"] = value
        return replace(self, headers=headers_sent)


def genuine(
    token: str, *, secret: str, body: bytes, delivery: str = "msg_1", age: int = 0
) -> Delivery:
    """Return a delivery as the provider signs it now, or `age` seconds ago."""
    signed = standard_webhooks.sign(
        delivery_id=delivery, timestamp=int(time.time()) - age, body=body, secret=Secret(secret)
    )
    return Delivery(token=token, headers=signed, body=body)


def _signed(valid: Delivery, secret: str, body: bytes, *, age: int = 0) -> Delivery:
    resigned = genuine(valid.token, secret=secret, body=body, age=age)
    return replace(valid, headers=resigned.headers, body=body)


def _signature_value(valid: Delivery) -> str:
    return valid.headers[SIGNATURE].removeprefix("v1,")


def _sign_with(valid: Delivery, key: bytes, *, as_hex: bool = False, text: str = "") -> str:
    signed = text.encode() or f"{valid.headers[ID]}.{valid.headers[TIMESTAMP]}.".encode()
    digest = hmac.new(key, signed + valid.body, hashlib.sha256).digest()
    return "v1," + (digest.hex() if as_hex else base64.b64encode(digest).decode())


def _decode_secret(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"))


def _move_border(valid: Delivery, secret: str) -> Delivery:
    """Move the border between id and timestamp: the signed text stays the same."""
    moved = valid.but(id="msg", timestamp=f"1.{valid.headers[TIMESTAMP]}")
    text = f"msg.1.{valid.headers[TIMESTAMP]}."
    return moved.but(signature=_sign_with(valid, _decode_secret(secret), text=text))


#: By description: a function from a genuine delivery and its secret to an invalid one.
FORGERIES: dict[str, Callable[[Delivery, str], Delivery]] = {
    "no headers": lambda d, _s: replace(d, headers={}),
    "no id": lambda d, _s: d.but(id=None),
    "no timestamp": lambda d, _s: d.but(timestamp=None),
    "no signature": lambda d, _s: d.but(signature=None),
    "empty id": lambda d, _s: d.but(id=""),
    "empty timestamp": lambda d, _s: d.but(timestamp=""),
    "empty signature": lambda d, _s: d.but(signature=""),
    "another id": lambda d, _s: d.but(id="msg_2"),
    "id with a dot": lambda d, _s: d.but(id="msg.1"),
    "border between id and timestamp moved": _move_border,
    "id of 200 characters": lambda d, _s: d.but(id="m" * 200),
    "id with a line break": lambda d, _s: d.but(id="msg_1 \u2028"),
    "timestamp with a fraction": lambda d, _s: d.but(timestamp=d.headers[TIMESTAMP] + ".0"),
    "negative timestamp": lambda d, _s: d.but(timestamp="-" + d.headers[TIMESTAMP]),
    "timestamp with an exponent": lambda d, _s: d.but(timestamp="1e9"),
    "timestamp is not a number": lambda d, _s: d.but(timestamp="nan"),
    "timestamp with a plus sign": lambda d, _s: d.but(timestamp="+" + d.headers[TIMESTAMP]),
    "timestamp in full-width digits": lambda d, _s: d.but(timestamp="\uff11\uff17"),
    "timestamp with an underscore": lambda d, _s: d.but(timestamp="1_7"),
    "another timestamp": lambda d, _s: d.but(timestamp=str(int(d.headers[TIMESTAMP]) + 1)),
    "timestamp too old": lambda d, s: _signed(d, s, d.body, age=302),
    "timestamp in the future": lambda d, s: _signed(d, s, d.body, age=-302),
    "signature without a comma": lambda d, _s: d.but(signature="v1"),
    "signature with two commas": lambda d, _s: d.but(
        signature=f"v1,{_signature_value(d)},{_signature_value(d)}"
    ),
    "signature is not base64": lambda d, _s: d.but(signature="v1,***"),
    "signature is not ASCII": lambda d, _s: d.but(signature="v1,\u00e9"),
    "unknown signature version": lambda d, _s: d.but(signature=f"v2,{_signature_value(d)}"),
    "asymmetric signature version": lambda d, _s: d.but(signature=f"v1a,{_signature_value(d)}"),
    "signature in hexadecimal": lambda d, s: d.but(
        signature=_sign_with(d, _decode_secret(s), as_hex=True)
    ),
    "truncated signature": lambda d, _s: d.but(signature=d.headers[SIGNATURE][:20]),
    "signature with swapped case": lambda d, _s: d.but(
        signature="v1," + _signature_value(d).swapcase()
    ),
    "100 wrong signatures": lambda d, _s: d.but(signature=" ".join(["v1,QUFB"] * 100)),
    "right signature after 100 wrong ones": lambda d, _s: d.but(
        signature=" ".join(["v1,QUFB"] * 100 + [d.headers[SIGNATURE]])
    ),
    "another secret": lambda d, _s: _signed(d, _OTHER_SECRET, d.body),
    "secret used without decoding": lambda d, s: d.but(signature=_sign_with(d, s.encode())),
    "empty key": lambda d, _s: d.but(signature=_sign_with(d, b"")),
    "signed without id and timestamp": lambda d, s: d.but(
        signature=_sign_with(d, _decode_secret(s), text=".")
    ),
    "space appended to the body": lambda d, _s: replace(d, body=d.body + b" "),
    "body formatted differently": lambda d, _s: replace(
        d, body=json.dumps(json.loads(d.body), indent=1).encode()
    ),
    "body with a byte order mark": lambda d, _s: replace(d, body=b"\xef\xbb\xbf" + d.body),
    "body in UTF-16": lambda d, _s: replace(d, body=d.body.decode().encode("utf-16")),
    "compressed body": lambda d, _s: replace(
        d, body=gzip.compress(d.body), headers={**d.headers, "content-encoding": "gzip"}
    ),
    "another body": lambda d, _s: replace(d, body=d.body.replace(b"job_1", b"job_2")),
    "empty body": lambda d, _s: replace(d, body=b""),
    "body too large": lambda d, s: _signed(d, s, b"x" * (256 * 1024 + 1)),
    "signed, but not JSON": lambda d, s: _signed(d, s, b"job_1 is done"),
    "signed, but a list": lambda d, s: _signed(d, s, b"[1, 2, 3]"),
    "signed, but nested too deeply": lambda d, s: _signed(d, s, b"[" * 100_000),
    "signed, but not UTF-8": lambda d, s: _signed(d, s, b"\xff\xfe\x00"),
    "unknown token": lambda d, _s: replace(d, token="0" * 32 + "." + "0" * 32),
    "token with an invalid signature": lambda d, _s: replace(d, token=d.token[:-1] + "~"),
    "truncated token": lambda d, _s: replace(d, token=d.token[:40]),
    "GET": lambda d, _s: replace(d, method="GET"),
    "HEAD": lambda d, _s: replace(d, method="HEAD"),
    "PUT": lambda d, _s: replace(d, method="PUT"),
    "PATCH": lambda d, _s: replace(d, method="PATCH"),
}


def mutated(valid: Delivery, *, dice: random.Random) -> Delivery:
    """Return a delivery with random changes in its body, one header or its token."""
    part = dice.choice(["body", ID, TIMESTAMP, SIGNATURE, "token"])
    if part == "body":
        changed = bytearray(valid.body)
        for _ in range(dice.randint(1, 4)):
            changed[dice.randrange(len(changed))] ^= dice.randint(1, 255)
        return replace(valid, body=bytes(changed))
    text = valid.token if part == "token" else valid.headers[part]
    index = dice.randrange(len(text))
    replacement = dice.choice([c for c in "0aZ.,-_=/+~ \u00e9" if c != text[index]])
    text = text[:index] + replacement + text[index + 1 :]
    if part == "token":
        return replace(valid, token=text.replace("/", "~"))
    return replace(valid, headers={**valid.headers, part: text})
