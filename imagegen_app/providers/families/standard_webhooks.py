"""Sign and verify webhooks by the Standard Webhooks rules (HMAC-SHA256, `v1`).

Written over raw bytes on purpose: whatever a stranger sends, the only exception is
`AuthenticationFailed`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import TYPE_CHECKING

from imagegen_app.core.errors import AuthenticationFailed
from imagegen_app.core.limits import MAX_WEBHOOK_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.providers.credentials import Secret

TOLERANCE_SECONDS = 300
_MAX_SIGNATURES = 16
_MIN_KEY_BYTES = 16
# No dot: `id.timestamp.body` must have one reading only.
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def sign(*, delivery_id: str, timestamp: int, body: bytes, secret: Secret) -> dict[str, str]:
    """Return the three headers of a signed delivery.

    :raises ValueError: if the secret is not `whsec_` and at least 16 bytes in base64.
    """
    digest = _digest(_key(secret), delivery_id=delivery_id, timestamp=str(timestamp), body=body)
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": "v1," + base64.b64encode(digest).decode("ascii"),
    }


def verify(
    headers: Mapping[str, str], *, body: bytes, secrets: Sequence[Secret], now: float
) -> str:
    """Check a delivery against every live secret and return its id.

    :raises AuthenticationFailed: if it is forged, malformed, too early or too late.
    """
    if len(body) > MAX_WEBHOOK_BYTES:
        raise AuthenticationFailed(detail="webhook body too large")
    lowered: dict[str, str] = {}
    for name, value in headers.items():
        if lowered.setdefault(name.lower(), value) != value:
            raise AuthenticationFailed(detail="webhook header given twice")
    delivery_id = lowered.get("webhook-id", "")
    timestamp = lowered.get("webhook-timestamp", "")
    if not _ID.fullmatch(delivery_id) or not _TIMESTAMP.fullmatch(timestamp):
        raise AuthenticationFailed(detail="webhook headers malformed")
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise AuthenticationFailed(detail="webhook outside its time window")
    given = _signatures(lowered.get("webhook-signature", ""))
    genuine = False
    for secret in secrets:
        try:
            key = _key(secret)
        except ValueError:
            raise AuthenticationFailed(detail="webhook secret malformed") from None
        digest = _digest(key, delivery_id=delivery_id, timestamp=timestamp, body=body)
        # As text: several texts may stand for the same bytes.
        wanted = base64.b64encode(digest)
        for signature in given:
            genuine |= hmac.compare_digest(signature, wanted)
    if not genuine:
        raise AuthenticationFailed(detail="webhook signature does not match")
    return delivery_id


def _signatures(header: str) -> list[bytes]:
    parts = (part.partition(",") for part in header.split(" ")[:_MAX_SIGNATURES])
    return [text.encode("utf-8", "replace") for version, _, text in parts if version == "v1"]


def _key(secret: Secret) -> bytes:
    text = secret.reveal()
    if not text.startswith("whsec_"):
        raise ValueError("not a webhook secret")
    key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    if len(key) < _MIN_KEY_BYTES:
        raise ValueError("webhook secret too short")
    return key


def _digest(key: bytes, *, delivery_id: str, timestamp: str, body: bytes) -> bytes:
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    return hmac.new(key, signed, hashlib.sha256).digest()
