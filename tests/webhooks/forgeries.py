"""Forge deliveries in more than forty ways, each from a genuine one; nothing of this may be taken."""

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

ID, WHEN, MARK = "webhook-id", "webhook-timestamp", "webhook-signature"
_OTHER_SECRET = "whsec_" + "QUFB" * 11


@dataclass(frozen=True)
class Delivery:
    """What somebody sends to the address of an attempt."""

    token: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"

    def but(self, **headers: str | None) -> Delivery:
        """Return it with some headers (`id`, `timestamp`, `signature`) changed or left out."""
        found = {**self.headers}
        for name, value in headers.items():
            if value is None:
                del found[f"webhook-{name}"]
            else:
                found[f"webhook-{name}"] = value
        return replace(self, headers=found)


def genuine(
    token: str, *, secret: str, body: bytes, delivery: str = "msg_1", age: int = 0
) -> Delivery:
    """Return a delivery as the provider signs it now, or `age` seconds ago."""
    signed = standard_webhooks.sign(
        delivery_id=delivery, timestamp=int(time.time()) - age, body=body, secret=Secret(secret)
    )
    return Delivery(token=token, headers=signed, body=body)


def _signed(good: Delivery, secret: str, body: bytes, *, age: int = 0) -> Delivery:
    made = genuine(good.token, secret=secret, body=body, age=age)
    return replace(good, headers=made.headers, body=body)


def _mark(good: Delivery) -> str:
    return good.headers[MARK].removeprefix("v1,")


def _by(good: Delivery, key: bytes, *, hexed: bool = False, text: str = "") -> str:
    signed = text.encode() or f"{good.headers[ID]}.{good.headers[WHEN]}.".encode()
    digest = hmac.new(key, signed + good.body, hashlib.sha256).digest()
    return "v1," + (digest.hex() if hexed else base64.b64encode(digest).decode())


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"))


def _shifted(good: Delivery, secret: str) -> Delivery:
    """Move the border between id and time: the signed text stays the same."""
    whole = good.but(id="msg", timestamp=f"1.{good.headers[WHEN]}")
    text = f"msg.1.{good.headers[WHEN]}."
    return whole.but(signature=_by(good, _key(secret), text=text))


#: How to forge, by name: a genuine delivery and its secret make a forged one.
FORGERIES: dict[str, Callable[[Delivery, str], Delivery]] = {
    "no headers": lambda d, _s: replace(d, headers={}),
    "no id": lambda d, _s: d.but(id=None),
    "no time": lambda d, _s: d.but(timestamp=None),
    "no signature": lambda d, _s: d.but(signature=None),
    "empty id": lambda d, _s: d.but(id=""),
    "empty time": lambda d, _s: d.but(timestamp=""),
    "empty signature": lambda d, _s: d.but(signature=""),
    "another id": lambda d, _s: d.but(id="msg_2"),
    "id with a dot": lambda d, _s: d.but(id="msg.1"),
    "border moved": _shifted,
    "id of 200 characters": lambda d, _s: d.but(id="m" * 200),
    "id with a line break": lambda d, _s: d.but(id="msg_1 \u2028"),
    "time as a fraction": lambda d, _s: d.but(timestamp=d.headers[WHEN] + ".0"),
    "time below zero": lambda d, _s: d.but(timestamp="-" + d.headers[WHEN]),
    "time with an exponent": lambda d, _s: d.but(timestamp="1e9"),
    "time that is none": lambda d, _s: d.but(timestamp="nan"),
    "time with a sign": lambda d, _s: d.but(timestamp="+" + d.headers[WHEN]),
    "time in other digits": lambda d, _s: d.but(timestamp="\uff11\uff17"),
    "time with an underscore": lambda d, _s: d.but(timestamp="1_7"),
    "another time": lambda d, _s: d.but(timestamp=str(int(d.headers[WHEN]) + 1)),
    "too old": lambda d, s: _signed(d, s, d.body, age=302),
    "too early": lambda d, s: _signed(d, s, d.body, age=-302),
    "no comma": lambda d, _s: d.but(signature="v1"),
    "two commas": lambda d, _s: d.but(signature=f"v1,{_mark(d)},{_mark(d)}"),
    "no base64": lambda d, _s: d.but(signature="v1,***"),
    "not ASCII": lambda d, _s: d.but(signature="v1,\u00e9"),
    "another version": lambda d, _s: d.but(signature=f"v2,{_mark(d)}"),
    "the other algorithm": lambda d, _s: d.but(signature=f"v1a,{_mark(d)}"),
    "in hex": lambda d, s: d.but(signature=_by(d, _key(s), hexed=True)),
    "cut short": lambda d, _s: d.but(signature=d.headers[MARK][:20]),
    "other letters": lambda d, _s: d.but(signature="v1," + _mark(d).swapcase()),
    "a hundred wrong ones": lambda d, _s: d.but(signature=" ".join(["v1,QUFB"] * 100)),
    "right one behind a hundred": lambda d, _s: d.but(
        signature=" ".join(["v1,QUFB"] * 100 + [d.headers[MARK]])
    ),
    "another secret": lambda d, _s: _signed(d, _OTHER_SECRET, d.body),
    "the secret's text as key": lambda d, s: d.but(signature=_by(d, s.encode())),
    "empty key": lambda d, _s: d.but(signature=_by(d, b"")),
    "without id and time": lambda d, s: d.but(signature=_by(d, _key(s), text=".")),
    "a space more": lambda d, _s: replace(d, body=d.body + b" "),
    "written anew": lambda d, _s: replace(
        d, body=json.dumps(json.loads(d.body), indent=1).encode()
    ),
    "with a byte order mark": lambda d, _s: replace(d, body=b"\xef\xbb\xbf" + d.body),
    "in another encoding": lambda d, _s: replace(d, body=d.body.decode().encode("utf-16")),
    "compressed": lambda d, _s: replace(
        d, body=gzip.compress(d.body), headers={**d.headers, "content-encoding": "gzip"}
    ),
    "another body": lambda d, _s: replace(d, body=d.body.replace(b"job_1", b"job_2")),
    "empty body": lambda d, _s: replace(d, body=b""),
    "past the cap": lambda d, s: _signed(d, s, b"x" * (256 * 1024 + 1)),
    "signed, but no JSON": lambda d, s: _signed(d, s, b"job_1 is done"),
    "signed, but a list": lambda d, s: _signed(d, s, b"[1, 2, 3]"),
    "signed, but bottomless": lambda d, s: _signed(d, s, b"[" * 100_000),
    "signed, but no text": lambda d, s: _signed(d, s, b"\xff\xfe\x00"),
    "no such address": lambda d, _s: replace(d, token="0" * 32 + "." + "0" * 32),
    "address of another site": lambda d, _s: replace(d, token=d.token[:-1] + "~"),
    "half of the address": lambda d, _s: replace(d, token=d.token[:40]),
    "fetched": lambda d, _s: replace(d, method="GET"),
    "looked at": lambda d, _s: replace(d, method="HEAD"),
    "put": lambda d, _s: replace(d, method="PUT"),
    "patched": lambda d, _s: replace(d, method="PATCH"),
}


def mutated(good: Delivery, *, dice: random.Random) -> Delivery:
    """Return a delivery with some of its bytes changed at random, somewhere."""
    where = dice.choice(["body", ID, WHEN, MARK, "token"])
    if where == "body":
        changed = bytearray(good.body)
        for _ in range(dice.randint(1, 4)):
            changed[dice.randrange(len(changed))] ^= dice.randint(1, 255)
        return replace(good, body=bytes(changed))
    text = good.token if where == "token" else good.headers[where]
    place = dice.randrange(len(text))
    other = dice.choice([c for c in "0aZ.,-_=/+~ \u00e9" if c != text[place]])
    text = text[:place] + other + text[place + 1 :]
    if where == "token":
        return replace(good, token=text.replace("/", "~"))
    return replace(good, headers={**good.headers, where: text})
