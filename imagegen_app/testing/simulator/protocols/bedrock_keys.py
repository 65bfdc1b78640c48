"""Check the keys of AWS: sign a call again by Signature Version 4, or compare an API key.

An access key ID is any in AWS's form, and its secret any of the simulator's keys. An ID that begins with
`ASIA` is a temporary one, whose session token has to come along: any of the simulator's keys, too.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from imagegen_app.testing.simulator.refusals import Refused

if TYPE_CHECKING:
    from imagegen_app.testing.simulator.asgi import Call
    from imagegen_app.testing.simulator.state import State

_ALGORITHM = "AWS4-HMAC-SHA256"
_HEADER = re.compile(
    _ALGORITHM + r" Credential=([^/,\s]+)/(\d{8})/([^/,\s]+)/([^/,\s]+)/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})"
)
_KEY_ID = re.compile(r"(AKIA|ASIA)[A-Z0-9]{12,124}")
_SERVICE, _REGION = "bedrock", re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_TIME = "%Y%m%dT%H%M%SZ"
_MAX_SKEW = timedelta(minutes=5)
_DATE, _TOKEN = "x-amz-date", "x-amz-security-token"
#: Where calls with an API key are made, which do not say it.
HOME_REGION = "us-west-2"


def region_of(call: Call, *, state: State) -> str:
    """Return the region that a call is for.

    :raises Refused: if it is not signed, or not with a key that is known.
    """
    given = call.headers.get("authorization", "")
    if not given:
        raise Refused(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    if given.startswith("Bearer "):
        if not state.knows_key(call):
            raise Refused(
                403,
                "AccessDeniedException",
                "Authentication failed: Please make sure your API Key is valid.",
            )
        return HOME_REGION
    return _signed_for(call, given, state=state)


def _signed_for(call: Call, header: str, *, state: State) -> str:
    parts = _HEADER.fullmatch(header)
    if parts is None:
        raise Refused(
            400,
            "IncompleteSignatureException",
            "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature'.",
        )
    key_id, date, region, service, signed, signature = parts.groups()
    _require_key_id(call, key_id, state=state)
    if service != _SERVICE:
        raise _mismatch(f"Credential should be scoped to correct service: '{_SERVICE}'.")
    if not _REGION.fullmatch(region):
        raise _mismatch("Credential should be scoped to a valid region.")
    _require_time(call, date)
    names = signed.split(";")
    for name in ["host", *(one for one in sorted(call.headers) if one.startswith("x-amz-"))]:
        if name not in names:
            raise _mismatch(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")
    canonical = _canonical_request(call, names)
    scope = f"{date}/{region}/{service}/aws4_request"
    for secret in state.keys:
        if hmac.compare_digest(signature, _signature(secret, canonical, call, scope)):
            return region
    # The real one repeats the request, and with it the session token.
    raise _mismatch(
        "The request signature we calculated does not match the signature you provided. "
        f"The Canonical String for this request should have been '{canonical}'"
    )


def _require_key_id(call: Call, key_id: str, *, state: State) -> None:
    known = _KEY_ID.fullmatch(key_id)
    token = call.headers.get(_TOKEN)
    expected = state.keys if known and known[1] == "ASIA" else (None,)
    if known is None or token not in expected:
        raise Refused(
            403,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        )


def _require_time(call: Call, date: str) -> None:
    try:
        said = datetime.strptime(call.headers.get(_DATE, ""), _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise Refused(
            400, "IncompleteSignatureException", "Authorization header requires a valid date."
        ) from None
    if not call.headers[_DATE].startswith(date):
        raise _mismatch("Date in Credential scope does not match YYYYMMDD from ISO-8601 version.")
    if abs(datetime.now(UTC) - said) > _MAX_SKEW:
        raise _mismatch(f"Signature expired or not yet current: {call.headers[_DATE]}")


def _canonical_request(call: Call, names: list[str]) -> str:
    headers = "".join(f"{name}:{' '.join(call.headers.get(name, '').split())}\n" for name in names)
    query = "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in sorted(call.query.items())
    )
    return "\n".join(
        [
            call.method,
            # What came escaped is escaped once more.
            quote(call.raw_path, safe="/-_.~"),
            query,
            headers,
            ";".join(names),
            hashlib.sha256(call.body).hexdigest(),
        ]
    )


def _signature(secret: str, canonical: str, call: Call, scope: str) -> str:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join([_ALGORITHM, call.headers[_DATE], scope, digest])
    return hmac.digest(key, text.encode(), "sha256").hex()


def _mismatch(message: str) -> Refused:
    return Refused(403, "InvalidSignatureException", message)
