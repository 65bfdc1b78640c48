"""Call AWS: with keys, by which botocore signs each call, or an API key; and sort its refusals.

A credential is `ACCESS_KEY_ID:SECRET[:SESSION_TOKEN]`, the JSON that AWS's own tools print, or an API key.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imagegen_app.core.errors import (
    AuthenticationFailed,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    ProviderUnavailable,
    RateLimited,
)
from imagegen_app.core.json_paths import value_at
from imagegen_app.core.provider_values import InvalidJson, load_json
from imagegen_app.providers.credentials import Secret
from imagegen_app.providers.families import statuses
from imagegen_app.providers.http import Auth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.errors import ProviderError
    from imagegen_app.providers.http import Reply

REQUEST_ID_HEADER = "x-amzn-requestid"
#: The header that names the error; to be kept of each answer.
ERROR_HEADER = "x-amzn-errortype"

#: All calls of ours; what is signed is what is sent.
_HEADERS = {"Accept": "application/json", "Content-Type": "application/json"}
#: As `aws sts assume-role` and `credential_process` name them.
_NAMES = ("AccessKeyId", "SecretAccessKey", "SessionToken")
_PAIR = re.compile(r"(\w{16,128}):([^:\s]+)(?::([^:\s]+))?", re.ASCII)
_API_KEY = re.compile(r"(?!A[KS]IA[A-Z0-9]+$)[\w.~+/=-]+", re.ASCII)
_QUOTA_CODES = frozenset({"servicequotaexceeded"})
#: By the code, in lower case and without its ending: classes that the status does not tell.
_KINDS: Mapping[str, type[ProviderError]] = {
    "accessdenied": PermissionDenied,
    "expiredtoken": AuthenticationFailed,
    "incompletesignature": AuthenticationFailed,
    "invalidclienttokenid": AuthenticationFailed,
    "invalidsignature": AuthenticationFailed,
    "missingauthenticationtoken": AuthenticationFailed,
    "modelerror": OutcomeUnknown,
    # It is being loaded; the account's other calls need not wait for that.
    "modelnotready": ProviderUnavailable,
    "notauthorized": PermissionDenied,
    "requestexpired": AuthenticationFailed,
    "resourcenotfound": NotFound,
    "signaturedoesnotmatch": AuthenticationFailed,
    "throttling": RateLimited,
    "unrecognizedclient": AuthenticationFailed,
}
#: What only a sentence tells, once code and status have been heard: these, words, the nearer code.
_SENTENCES = (
    ("AccessDenied", 403, "Authentication failed", "UnrecognizedClient"),
    ("Validation", 400, "model identifier is invalid", "ResourceNotFound"),
    ("Validation", 400, "on-demand throughput", "ResourceNotFound"),
)


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """Keys by the names that botocore's signer reads; reports of errors do not show them."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AwsAuth(Auth):
    """A credential of AWS, for the calls to one service in one region."""

    service: str = ""
    region: str = ""
    #: AWS has no 401.
    refused_by: frozenset[int] = frozenset({401, 403})

    def headers(self, secret: Secret, *, method: str, url: str, body: bytes) -> dict[str, str]:
        """Return the headers that carry an API key, or sign the call.

        :raises AuthenticationFailed: if the credential has none of the forms, or a call cannot be
            signed for want of a region or of botocore.
        """
        text = secret.reveal()
        if _API_KEY.fullmatch(text):
            return {**_HEADERS, "Authorization": f"Bearer {text}"}
        keys = _keys_in(text)
        if not self.region:
            raise AuthenticationFailed(detail="the account's option “region” is missing")
        try:
            auth, requests = map(importlib.import_module, ("botocore.auth", "botocore.awsrequest"))
        except ModuleNotFoundError:
            raise AuthenticationFailed(
                detail="botocore, which signs calls, is missing: pip install 'imagegen-app[bedrock]'"
            ) from None
        call = requests.AWSRequest(method, url, headers=_HEADERS, data=body)
        auth.SigV4Auth(keys, self.service, self.region).add_auth(call)
        return dict(call.headers.items())


def error_of(reply: Reply) -> ProviderError:
    """Return what a reply of AWS that is no success means; its headers have `ERROR_HEADER`."""
    try:
        said = load_json(reply.body)
    except InvalidJson:
        said = None
    message = str(value_at(said, "message") or value_at(said, "Message"))
    code = str(reply.headers.get(ERROR_HEADER) or value_at(said, "__type") or "")
    # Such as `com.amazon.coral#ValidationException:http://...`.
    code = code.rpartition("#")[2].partition(":")[0].removesuffix("Exception")
    nearer = (
        new
        for old, status, words, new in _SENTENCES
        if code in {old, ""} and reply.status == status and words in message
    )
    told = next(nearer, code)
    error = {"type": "" if told == code else code, "code": told}
    return statuses.classify(
        reply, quota_codes=_QUOTA_CODES, kinds=_KINDS, error_of=lambda _: error
    )


def _keys_in(text: str) -> AwsKeys:
    found: tuple[object, ...] = ()
    if text.startswith("{"):
        try:
            said = load_json(text.encode())
        except InvalidJson:
            said = None
        found = tuple(value_at(said, name) for name in _NAMES)
    elif pair := _PAIR.fullmatch(text):
        found = pair.groups()
    given = [part if isinstance(part, str) and part else None for part in found]
    if not all(given[:2]) or not given:
        raise AuthenticationFailed(
            detail="the credential is neither ACCESS_KEY_ID:SECRET[:SESSION_TOKEN] nor JSON with "
            f"{_NAMES[0]} and {_NAMES[1]}, nor an API key"
        )
    # Each is a secret, too, so that it is hidden wherever a text repeats it.
    access, secret, token = (Secret(part).reveal() if part else "" for part in given)
    return AwsKeys(access, secret, token or None)
