"""Verify webhooks by a provider's published keys: a JSON Web Key Set with Ed25519 keys.

Providers that publish keys sign alike: a call's id, the account, the time and the digest of the body,
joined by line breaks; only the headers' names differ.

A set is kept for a day and fetched anew when a signature fails or names a key that it lacks, but
not more often than once a minute: forged webhooks must not make us ask.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from imagegen_app.core.errors import AuthenticationFailed, ProviderUnavailable
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.limits import MAX_WEBHOOK_BYTES
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.provider_values import InvalidJson, load_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.providers.http import HttpClient

#: The option of accounts whose webhooks are signed so.
WEBHOOK_USER = Parameter(
    "text",
    default="",
    help=gettext_noop("The account's ID in webhooks; others' are refused where it is given."),
)
KEPT_SECONDS = 24 * 3600.0
#: Between two fetches of one set.
PAUSE_SECONDS = 60.0
MAX_SET_BYTES = 256 * 1024
MAX_KEYS = 32
#: How far a webhook's time may be from ours.
TOLERANCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class _KeySet:
    keys: Mapping[str, Ed25519PublicKey]
    fetched_at: float


#: By address; shared by all adapters of this process.
_known: dict[str, _KeySet] = {}


@dataclass(frozen=True, slots=True)
class Signed:
    """The headers of a signed webhook, by their names in lower case."""

    #: What the provider calls its call.
    call: str
    user: str
    timestamp: str
    signature: str
    #: Names the key, where the provider does.
    key: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the signature of a webhook vouches for beside its body."""

    call: str
    #: The account at the provider.
    user: str
    #: The JSON document in its body; empty where there is none.
    document: Mapping[str, Any]

    def require_about(self, *names: str, user: str) -> None:
        """Require that one of these fields of the body names the same call, and the account fits.

        Any customer of the provider can have genuine webhooks sent to us; an empty `user` fits all.

        :raises AuthenticationFailed: if not.
        """
        if self.call not in [self.document.get(name) for name in names]:
            raise AuthenticationFailed(detail="webhook of another call")
        if user and user != self.user:
            raise AuthenticationFailed(detail="webhook of another account")


async def verify_delivery(
    headers: Mapping[str, str],
    *,
    body: bytes,
    names: Signed,
    url: str,
    http: HttpClient,
    now: float,
) -> Delivery:
    """Check a webhook by the keys at an address; `now` is a Unix time.

    :raises AuthenticationFailed: if it is forged, malformed, too early or too late.
    :raises ProviderError: if the keys cannot be fetched just now, so that nobody can tell.
    """
    if len(body) > MAX_WEBHOOK_BYTES:
        raise AuthenticationFailed(detail="webhook body too large")
    lowered: dict[str, str] = {}
    for name, value in headers.items():
        if lowered.setdefault(name.lower(), value) != value:
            raise AuthenticationFailed(detail="webhook header given twice")
    call, user, timestamp, signature = (
        lowered.get(name, "") for name in (names.call, names.user, names.timestamp, names.signature)
    )
    # A line break would give the signed text a second reading.
    if not call or not user or not all(text.isprintable() for text in (call, user)):
        raise AuthenticationFailed(detail="webhook headers malformed")
    if not is_fresh(timestamp, tolerance=TOLERANCE_SECONDS, now=now):
        raise AuthenticationFailed(detail="webhook outside its time window")
    try:
        given = bytes.fromhex(signature)
    except ValueError:
        raise AuthenticationFailed(detail="webhook headers malformed") from None
    message = "\n".join((call, user, timestamp, hashlib.sha256(body).hexdigest()))
    await verify(
        url,
        http=http,
        signature=given,
        message=message.encode("utf-8", "replace"),
        key_id=lowered.get(names.key, "") if names.key else "",
        now=now,
    )
    try:
        document = load_json(body)
    except InvalidJson:
        document = None
    return Delivery(call, user, document if isinstance(document, dict) else {})


async def verify(
    url: str, *, http: HttpClient, signature: bytes, message: bytes, key_id: str = "", now: float
) -> None:
    """Check a signature by the keys at an address; `key_id` names one where the provider says it.

    `now` is a Unix time.

    :raises AuthenticationFailed: if no key of the set has signed the message.
    :raises ProviderError: if the set cannot be fetched just now, so that nobody can tell.
    """
    known = _known.get(url)
    if known is None or not 0 <= now - known.fetched_at < KEPT_SECONDS:
        known = await _fetch(url, http=http, now=now)
    elif not _is_signed(known, key_id, signature, message):
        if now - known.fetched_at < PAUSE_SECONDS:
            raise AuthenticationFailed(detail="webhook signature does not match")
        known = await _fetch(url, http=http, now=now)
    if not _is_signed(known, key_id, signature, message):
        raise AuthenticationFailed(detail="webhook signature does not match")


def forget() -> None:
    """Forget all fetched sets."""
    _known.clear()


def is_fresh(timestamp: str, *, tolerance: float, now: float | None = None) -> bool:
    """Tell whether a webhook's time, in Unix seconds, is near enough to now."""
    now = time.time() if now is None else now
    is_number = timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= len(str(10**12))
    return is_number and abs(now - int(timestamp)) <= tolerance


async def _fetch(url: str, *, http: HttpClient, now: float) -> _KeySet:
    reply, document = await http.get_json(url, limit=MAX_SET_BYTES)
    keys = document.get("keys") if isinstance(document, dict) else None
    if not reply.ok or not isinstance(keys, list):
        raise ProviderUnavailable(detail="the published keys cannot be read", status=reply.status)
    found = {}
    for number, one in enumerate(keys[:MAX_KEYS]):
        key = _public_key(one)
        if key is not None:
            name = one.get("kid")
            found[name if isinstance(name, str) else str(number)] = key
    if not found:
        raise ProviderUnavailable(detail="no usable key is published", status=reply.status)
    _known[url] = _KeySet(found, now)
    return _known[url]


def _public_key(document: Any) -> Ed25519PublicKey | None:
    if not isinstance(document, dict) or document.get("kty") != "OKP":
        return None
    text = document.get("x")
    if document.get("crv") != "Ed25519" or not isinstance(text, str):
        return None
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return Ed25519PublicKey.from_public_bytes(data)
    except (ValueError, binascii.Error):
        return None


def _is_signed(known: _KeySet, key_id: str, signature: bytes, message: bytes) -> bool:
    """Return whether a key has signed it: the named one, or any where the name is a mere hint."""
    named = known.keys.get(key_id)
    for key in (named,) if named is not None else known.keys.values():
        try:
            key.verify(signature, message)
        except InvalidSignature:
            continue
        return True
    return False
