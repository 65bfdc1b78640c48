"""Hold what all protocols of one simulator share: keys, bill, script, files and what arrived."""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imagegen_app.testing.simulator.files import ResultFiles
from imagegen_app.testing.simulator.received import Received

if TYPE_CHECKING:
    from pathlib import Path

    from imagegen_app.providers.credentials import Secret
    from imagegen_app.testing.simulator.asgi import Call
    from imagegen_app.testing.simulator.bill import Bill
    from imagegen_app.testing.simulator.faults import Script

#: The headers in which providers expect keys, and what may stand before one.
_KEY_HEADERS = (
    "x-amz-security-token",
    "authorization",
    "api-key",
    "x-api-key",
    "x-key",
    "x-goog-api-key",
)
_SCHEMES = ("Bearer ", "Key ")
_BASIC = "Basic "
_SIGNATURE = "AWS4-"


@dataclass(slots=True)
class State:
    """What the protocols of a simulator share."""

    keys: tuple[str, ...]
    bill: Bill
    script: Script
    webhook_secret: Secret
    #: Whether plain images are enough, instead of drawn ones.
    quick: bool = False
    #: Where the simulator's other host is; empty where it has none.
    other_origin: str = ""
    #: The PEM file by which it speaks TLS, and which it trusts where it sends webhooks; None without.
    certificate: Path | None = None
    #: The input images of the last calls.
    received: Received = field(default_factory=Received)
    files: ResultFiles = field(default_factory=ResultFiles)

    def reset(self) -> None:
        """Forget the script, the bill, the files and what arrived."""
        self.script.reset()
        self.bill.clear()
        self.files.clear()
        self.received.clear()

    def knows_key(
        self, call: Call, *, header: str = "authorization", scheme: str = "Bearer"
    ) -> bool:
        """Return whether a call carries one of the keys, in the header and form of its API."""
        start = f"{scheme} " if scheme else ""
        text = call.headers.get(header, "")
        given = text.removeprefix(start).encode() if text.startswith(start) else b""
        return any(hmac.compare_digest(given, key.encode()) for key in self.keys)

    def file_url(self, name: str, *, origin: str) -> str:
        """Return the address of a result file, at the other host where the script says so."""
        return f"{self.script.results_host or origin}/files/{name}"


def key_of(call: Call) -> str:
    """Return the key of a call, in whatever header it came; empty where there is none.

    A signature is none: the key that it was made with never comes.
    """
    text = next((call.headers[name] for name in _KEY_HEADERS if name in call.headers), "")
    if text.startswith(_SIGNATURE):
        return ""
    for scheme in _SCHEMES:
        text = text.removeprefix(scheme)
    return password_of(text) if text.startswith(_BASIC) else text


def password_of(header: str) -> str:
    """Return the password of a header of HTTP's basic authentication; empty where there is none."""
    try:
        given = base64.b64decode(header.removeprefix(_BASIC), validate=True).decode()
    except ValueError:
        return ""
    return given.partition(":")[2]
