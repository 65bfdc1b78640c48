"""Calls to AWS: which form a credential has, how calls are signed, and what refusals mean."""

from __future__ import annotations

import io
import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from imagegen_app.core.errors import (
    AuthenticationFailed,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
)
from imagegen_app.providers.credentials import Credential, Secret
from imagegen_app.providers.families import aws
from imagegen_app.providers.http import Reply
from imagegen_app.providers.http.headers import auth_headers
from imagegen_app.providers.redaction import install_filter, redact

URL = "https://bedrock-runtime.us-west-2.amazonaws.com"
MODEL = "us.stability.stable-image-inpaint-v1:0"
PATH = "/model/us.stability.stable-image-inpaint-v1%3A0/invoke"
KEY_ID, TEMPORARY_ID = "AKIACANARY0000000001", "ASIACANARY0000000001"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYcanarysecr"
TOKEN = "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJHMEUCIQcanary=="
BODY = b'{"prompt":"a mug"}'
BEARER = "ABSKQmVkcm9ja0FQSUtleS1jYW5hcnk6MTIzNDU2Nzg5MA=="


def sent(text: str, *, region: str = "us-west-2", body: bytes = BODY) -> dict[str, str]:
    """Return the headers of a call with a credential of this text."""
    credential = Credential("aws", ("env:UNUSED",), frozenset({URL.partition("//")[2]}))
    auth = aws.AwsAuth(credential, service="bedrock", region=region)
    return auth.headers(Secret(text), method="POST", url=URL + PATH, body=body)


@pytest.mark.parametrize(
    "text",
    [
        "AKIACANARY0000000001:",
        f":{SECRET}",
        f"{KEY_ID}:{SECRET}:{TOKEN}:more",
        f"{KEY_ID}:{SECRET}:",
        f"{KEY_ID} {SECRET}",
        f"me:{SECRET}",
        KEY_ID,
        "{",
        "{}",
        "[]",
        json.dumps([KEY_ID, SECRET]),
        json.dumps({"AccessKeyId": KEY_ID}),
        json.dumps({"SecretAccessKey": SECRET, "SessionToken": TOKEN}),
        json.dumps({"AccessKeyId": KEY_ID, "SecretAccessKey": 7}),
        json.dumps({"AccessKeyId": KEY_ID, "SecretAccessKey": ""}),
    ],
)
def test_half_a_pair_of_keys_is_never_sent_as_an_api_key(text: str) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        sent(text)

    assert "ACCESS_KEY_ID:SECRET" in caught.value.detail
    assert SECRET not in f"{caught.value} {caught.value.detail}"


@pytest.mark.parametrize(
    ("text", "key_id", "token"),
    [
        (f"{KEY_ID}:{SECRET}", KEY_ID, None),
        (f"{TEMPORARY_ID}:{SECRET}:{TOKEN}", TEMPORARY_ID, TOKEN),
        (
            json.dumps({"Version": 1, "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET}),
            KEY_ID,
            None,
        ),
        (
            json.dumps({"AccessKeyId": KEY_ID, "SecretAccessKey": SECRET, "SessionToken": ""}),
            KEY_ID,
            None,
        ),
        (
            json.dumps(
                {
                    "AccessKeyId": TEMPORARY_ID,
                    "SecretAccessKey": SECRET,
                    "SessionToken": TOKEN,
                    "Expiration": "2026-11-27T12:00:00Z",
                }
            ),
            TEMPORARY_ID,
            TOKEN,
        ),
    ],
)
def test_keys_sign_a_call_in_each_form_that_they_come_in(
    text: str, key_id: str, token: str | None
) -> None:
    headers = sent(text)

    assert headers["Authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={key_id}/")
    assert "/us-west-2/bedrock/aws4_request" in headers["Authorization"]
    assert headers.get("X-Amz-Security-Token") == token
    assert SECRET not in str(headers)


def test_an_api_key_is_sent_as_it_is_and_needs_neither_region_nor_botocore(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)
    monkeypatch.setitem(sys.modules, "botocore.auth", None)

    headers = sent(BEARER, region="")

    assert headers["Authorization"] == f"Bearer {BEARER}"


def test_a_call_that_cannot_be_signed_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AuthenticationFailed) as no_region:
        sent(f"{KEY_ID}:{SECRET}", region="")
    monkeypatch.setitem(sys.modules, "botocore.auth", None)
    with pytest.raises(AuthenticationFailed) as no_signer:
        sent(f"{KEY_ID}:{SECRET}")

    assert "region" in no_region.value.detail
    assert "pip install 'imagegen-app[bedrock]'" in no_signer.value.detail
    assert no_signer.value.billed == "no"


@pytest.mark.parametrize("token", [None, TOKEN])
def test_our_signature_is_that_of_the_client_of_aws_for_the_same_call(
    monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    session, signer = (pytest.importorskip(f"botocore.{name}") for name in ("session", "auth"))
    awsrequest = pytest.importorskip("botocore.awsrequest")
    now = datetime(2026, 11, 27, 5, 30, tzinfo=UTC)
    monkeypatch.setattr(signer, "get_current_datetime", lambda: now)
    caught: list[Any] = []

    def intercept(request: Any, **_: Any) -> Any:
        caught.append(request)
        raw = io.BytesIO(b"{}")
        raw.stream = lambda *_args, **_options: iter((b"{}",))  # type: ignore[attr-defined]
        return awsrequest.AWSResponse(request.url, 200, {"content-type": "application/json"}, raw)

    client = session.get_session().create_client(
        "bedrock-runtime",
        region_name="us-west-2",
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        aws_session_token=token,
    )
    client.meta.events.register("before-send.bedrock-runtime.InvokeModel", intercept)
    client.invoke_model(
        modelId=MODEL, body=BODY, contentType="application/json", accept="application/json"
    )
    client.close()

    ours = sent(":".join(filter(None, (KEY_ID, SECRET, token))))

    (theirs,) = caught
    headers = {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in theirs.headers.items()
    }
    assert theirs.url == URL + PATH
    assert ours == {name: headers[name] for name in ours}
    assert ours["X-Amz-Date"] == "20261127T053000Z"
    assert "SignedHeaders=accept;content-type;host;x-amz-date" in ours["Authorization"]


def test_neither_secret_nor_session_token_shows_anywhere() -> None:
    install_filter()
    log = io.StringIO()
    logger, handler = logging.getLogger("botocore.auth"), logging.StreamHandler(log)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        sent(json.dumps({"AccessKeyId": KEY_ID, "SecretAccessKey": SECRET, "SessionToken": TOKEN}))
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
        logger.propagate = True

    shown = log.getvalue() + repr(aws.AwsKeys(KEY_ID, SECRET, TOKEN))
    assert "CanonicalRequest" in shown
    for secret in (SECRET, TOKEN):
        assert secret not in shown
        assert secret not in redact(f"the call failed: {secret}")
        assert secret[8:30] not in redact(f"the call failed: {secret[8:30]}")


def test_a_key_goes_to_its_own_host_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_KEYS", f"{KEY_ID}:{SECRET}")
    host = URL.partition("//")[2]
    credential = Credential("aws", ("env:AWS_KEYS",), frozenset({host}))
    auth = aws.AwsAuth(credential, service="bedrock", region="us-west-2")

    (headers,) = auth_headers(auth, url=URL + PATH, method="POST", body=BODY)
    with pytest.raises(AuthenticationFailed):
        auth_headers(auth, url=f"https://x.{host}{PATH}", method="POST", body=BODY)

    assert "Authorization" in headers
    assert KEY_ID not in repr(headers)


def refusal(status: int, code: str = "", *, body: Any = None, **headers: str) -> Any:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if code:
        given[aws.ERROR_HEADER] = code
    document = {"message": "no"} if body is None else body
    return aws.error_of(
        Reply(
            status,
            {aws.REQUEST_ID_HEADER: "r-1", **given},
            json.dumps(document).encode() if not isinstance(document, bytes) else document,
            request_id_header=aws.REQUEST_ID_HEADER,
        )
    )


CORAL = ":http://internal.amazon.com/coral/com.amazon.bedrock/"


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "ValidationException" + CORAL, InvalidRequest),
        (400, "ServiceQuotaExceededException", QuotaExhausted),
        (429, "ServiceQuotaExceededException", QuotaExhausted),
        (429, "ThrottlingException", RateLimited),
        (400, "ThrottlingException", RateLimited),
        (429, "", RateLimited),
        (429, "ModelNotReadyException" + CORAL, ProviderUnavailable),
        (403, "AccessDeniedException", PermissionDenied),
        (400, "AccessDeniedException", PermissionDenied),
        (400, "NotAuthorized", PermissionDenied),
        (403, "UnrecognizedClientException", AuthenticationFailed),
        (403, "InvalidSignatureException", AuthenticationFailed),
        (403, "ExpiredTokenException", AuthenticationFailed),
        (400, "IncompleteSignature", AuthenticationFailed),
        (400, "RequestExpired", AuthenticationFailed),
        (403, "InvalidClientTokenId", AuthenticationFailed),
        (403, "SignatureDoesNotMatch", AuthenticationFailed),
        (403, "MissingAuthenticationTokenException", AuthenticationFailed),
        (404, "ResourceNotFoundException", NotFound),
        (408, "ModelTimeoutException", OutcomeUnknown),
        (424, "ModelErrorException", OutcomeUnknown),
        (500, "InternalServerException", OutcomeUnknown),
        (503, "ServiceUnavailableException", ProviderUnavailable),
        (413, "", InvalidRequest),
    ],
)
def test_refusals_are_sorted_by_code_and_status(
    status: int, code: str, expected: type[Exception]
) -> None:
    error = refusal(status, code)

    assert (type(error), error.status, error.request_id) == (expected, status, "r-1")
    assert "coral" not in error.detail


@pytest.mark.parametrize(
    ("status", "code", "body", "expected"),
    [
        (
            403,
            "AccessDeniedException",
            {"message": "Authentication failed: Please make sure your API Key is valid."},
            AuthenticationFailed,
        ),
        (
            403,
            "",
            {"Message": "Authentication failed: Please make sure your API Key is valid."},
            AuthenticationFailed,
        ),
        (
            400,
            "ValidationException",
            {"message": "The provided model identifier is invalid."},
            NotFound,
        ),
        (
            400,
            "ValidationException",
            {"message": "Invocation of model ID x with on-demand throughput isn't supported."},
            NotFound,
        ),
        # A code that says something else is believed, whatever the sentence says.
        (429, "ThrottlingException", {"message": "Authentication failed"}, RateLimited),
        (429, "", {"message": "Authentication failed"}, RateLimited),
        (403, "AccessDeniedException", {"message": "on-demand throughput"}, PermissionDenied),
        (400, "", {"__type": "com.amazon.coral#ThrottlingException"}, RateLimited),
        (403, "", b"<html>", PermissionDenied),
        (403, "", ["x"], PermissionDenied),
    ],
)
def test_a_sentence_counts_only_where_code_and_status_leave_it_open(
    status: int, code: str, body: Any, expected: type[Exception]
) -> None:
    assert type(refusal(status, code, body=body)) is expected


def test_a_wait_is_kept_and_sentences_are_not() -> None:
    error = refusal(
        429,
        "ModelNotReadyException",
        body={"message": "a mug on a table"},
        retry_after="7",
    )

    assert error.retry_after == 7
    assert "mug" not in f"{error} {error.detail}"
    assert error.detail == "HTTP 429 ModelNotReady"
