"""Azure OpenAI: what goes onto the wire on both surfaces, and what its filter's words mean."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from imagegen_app.core.errors import (
    AuthenticationFailed,
    BadResponse,
    ContentBlocked,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    UnsupportedParameter,
)
from imagegen_app.core.types import GenerationRequest, Operation, Size
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import HttpClient, HttpLimits
from tests.providers.conftest import KEY
from tests.providers.samples import a_mask, a_request, an_input, answering, http_answer, raw_server

REQUEST = a_request(model="studio.images", size=Size(1024, 1024))
EDIT = a_request(model="studio.images", operation=Operation.EDIT, inputs=(an_input(),))
IMAGE = base64.b64encode(b"\x89PNG image").decode()
GOOD = json.dumps({"created": 1, "data": [{"b64_json": IMAGE}]}).encode()


def called(
    credential: Credential,
    answer: SpooledAnswer,
    request: GenerationRequest = REQUEST,
    *,
    path: str = "",
    reply: bytes = b"",
    **options: Any,
) -> tuple[bytes, Any]:
    """Make a call to a server that gives one answer; return what it received, and the submission."""

    async def run() -> tuple[bytes, Any]:
        async with raw_server(answering(reply or http_answer(GOOD))) as server:
            async with HttpClient(
                trusted_origins=frozenset({server.url}),
                limits=HttpLimits(connect=60, read=60, total=120),
            ) as http:
                provider = registry.build(
                    "azure_openai",
                    base_url=server.url + path,
                    credential=credential,
                    http=http,
                    options=options,
                )
                submission = await provider.submit(request, answer=answer)
            return server.requests[0], (submission, provider.read_answer(answer))

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("path", "options", "line"),
    [
        ("", {}, "/openai/v1/images/generations"),
        ("/openai/v1/", {}, "/openai/v1/images/generations"),
        (
            "/openai/v1?api-version=preview",
            {},
            "/openai/v1/images/generations?api-version=preview",
        ),
        (
            "",
            {"surface": "deployments"},
            "/openai/deployments/studio.images/images/generations?api-version=2025-04-01-preview",
        ),
        (
            "/openai/deployments/other/images/generations?api-version=2026-01-01",
            {},
            "/openai/deployments/studio.images/images/generations?api-version=2026-01-01",
        ),
        (
            "/gateway?api-version=2026-01-01",
            {"surface": "deployments", "api_version": "2026-05-01"},
            "/gateway/openai/deployments/studio.images/images/generations?api-version=2026-05-01",
        ),
    ],
)
def test_the_version_stays_at_the_end_of_the_address(
    credential: Credential,
    answer: SpooledAnswer,
    path: str,
    options: dict[str, Any],
    line: str,
) -> None:
    sent, _ = called(credential, answer, path=path, **options)

    assert sent.split(b"\r\n", 1)[0].decode() == f"POST {line} HTTP/1.1"


def test_the_body_names_the_deployment_only_where_the_path_does_not(
    credential: Credential, answer: SpooledAnswer
) -> None:
    by_body, _ = called(credential, answer)
    by_path, _ = called(credential, answer, surface="deployments")

    assert json.loads(by_body.partition(b"\r\n\r\n")[2])["model"] == "studio.images"
    fields = json.loads(by_path.partition(b"\r\n\r\n")[2])
    assert "model" not in fields
    assert fields["user"] == REQUEST.end_user
    assert "safety_identifier" not in fields


def test_a_key_and_a_token_travel_in_their_own_headers(
    credential: Credential, answer: SpooledAnswer
) -> None:
    with_key, _ = called(credential, answer)
    with_token, _ = called(credential, answer, auth="entra")

    assert f"\r\napi-key: {KEY}\r\n".encode() in with_key
    assert b"authorization" not in with_key.lower()
    assert f"\r\nAuthorization: Bearer {KEY}\r\n".encode() in with_token
    assert b"api-key" not in with_token.lower()


def test_an_edit_is_a_form_on_both_surfaces(credential: Credential, answer: SpooledAnswer) -> None:
    surfaces: tuple[tuple[dict[str, Any], bytes], ...] = (
        ({}, b"POST /openai/v1/images/edits HTTP"),
        ({"surface": "deployments"}, b"POST /openai/deployments/studio.images/images/edits?api-v"),
    )
    for options, start in surfaces:
        sent, _ = called(credential, answer, EDIT, **options)
        assert sent.startswith(start)
        assert b'name="model"\r\n\r\nstudio.images\r\n' in sent


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (("apim-request-id: apim-1", "x-ms-request-id: ms-1"), "apim-1"),
        (("x-ms-request-id: ms-1", "x-request-id: req-1"), "ms-1"),
        (("x-request-id: req-1",), "req-1"),
        ((), ""),
    ],
)
def test_the_request_id_is_kept_whichever_header_has_it(
    credential: Credential, answer: SpooledAnswer, headers: tuple[str, ...], expected: str
) -> None:
    _, (submission, _) = called(credential, answer, reply=http_answer(GOOD, headers=headers))

    assert submission.request_id == expected
    assert answer.metadata()["request_id"] == expected


def refusal(**error: Any) -> dict[str, Any]:
    return {"error": {"message": "a canary prompt", **error}}


FILTERED = {"sexual": {"filtered": True, "severity": "high"}, "hate": {"filtered": False}}
INNER = {"code": "ResponsibleAIPolicyViolation", "content_filter_results": FILTERED}
BLOCK = {"code": "content_policy_violation", "param": "prompt", "inner_error": INNER}


@pytest.mark.parametrize(
    ("status", "document", "stage", "categories"),
    [
        ("400 Bad", refusal(**BLOCK), "input", ("sexual",)),
        ("400 Bad", refusal(code="contentFilter", innererror=INNER), "output", ("sexual",)),
        ("400 Bad", refusal(code=None, inner_error=INNER), "unknown", ("sexual",)),
        ("400 Bad", refusal(code="400", param="prompt", inner_error=INNER), "input", ("sexual",)),
        ("400 Bad", refusal(code="BadRequest") | {"inner_error": INNER}, "unknown", ("sexual",)),
        (
            "400 Bad",
            refusal(
                code="moderation_blocked",
                moderation_details={"moderation_stage": "output", "categories": ["violence"]},
            ),
            "output",
            ("violence",),
        ),
        ("200 OK", {"data": [{"content_filter_results": FILTERED}]}, "output", ("sexual",)),
        ("200 OK", refusal(**BLOCK), "input", ("sexual",)),
    ],
)
def test_a_block_is_found_wherever_the_filter_says_it(  # noqa: PLR0917 - a table
    credential: Credential,
    answer: SpooledAnswer,
    status: str,
    document: dict[str, Any],
    stage: str,
    categories: tuple[str, ...],
) -> None:
    reply = http_answer(json.dumps(document).encode(), status=status)
    with pytest.raises(ContentBlocked) as caught:
        called(credential, answer, reply=reply)

    assert (caught.value.stage, caught.value.categories) == (stage, categories)
    assert "canary" not in f"{caught.value} {caught.value.detail}"


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        ("401 No", {"code": "401"}, AuthenticationFailed),
        # The account is blocked, which is not the fault of the prompt.
        ("403 No", {"code": "Forbidden", "message": "blocked, content policy"}, PermissionDenied),
        ("404 No", {"code": "DeploymentNotFound"}, NotFound),
        ("429 No", {"code": "429"}, RateLimited),
        ("429 No", {"code": "RateLimitReached"}, RateLimited),
        ("429 No", {"code": "insufficient_quota"}, QuotaExhausted),
        ("400 No", {"code": "invalid_value", "param": "size"}, InvalidRequest),
        ("400 No", {"code": "invalid_value", "param": "prompt"}, InvalidRequest),
    ],
)
def test_other_refusals_are_no_blocks(
    credential: Credential,
    answer: SpooledAnswer,
    status: str,
    error: dict[str, Any],
    expected: type[ProviderError],
) -> None:
    reply = http_answer(json.dumps(refusal(**error)).encode(), status=status)
    with pytest.raises(expected) as caught:
        called(credential, answer, reply=reply)

    assert type(caught.value) is expected


def test_an_image_that_was_filtered_leaves_the_others(
    credential: Credential, answer: SpooledAnswer
) -> None:
    safe = {"sexual": {"filtered": False, "severity": "safe"}}
    items = [
        {"b64_json": IMAGE, "content_filter_results": safe},
        {"content_filter_results": FILTERED},
    ]
    body = json.dumps({"created": 1, "data": items}).encode()
    _, (_, result) = called(credential, answer, reply=http_answer(body))

    assert [image.data for image in result.images] == [b"\x89PNG image"]
    assert len(result.unusable) == 1


def test_an_answer_without_images_and_without_a_filter_is_a_bad_response(
    credential: Credential, answer: SpooledAnswer
) -> None:
    unusable: tuple[Any, ...] = ([], [{}], None, 3)
    for data in unusable:
        body = json.dumps({"created": 1, "data": data}).encode()
        with pytest.raises(BadResponse):
            called(credential, answer, reply=http_answer(body))


def test_a_deployment_can_do_what_its_model_can() -> None:
    by_name = registry.capabilities("azure_openai", "site-gpt-image-1.5-eu")
    declared = registry.capabilities(
        "azure_openai", "pictures.eu", options={"deployments": {"pictures.eu": "gpt-image-1.5"}}
    )
    unknown = registry.capabilities("azure_openai", "pictures.eu")

    assert by_name == declared == registry.capabilities("openai", "gpt-image-1.5")
    assert unknown == registry.capabilities("openai", "gpt-image-2")


def test_what_the_deployment_lacks_is_refused_before_any_call(
    credential: Credential, answer: SpooledAnswer
) -> None:
    wide = a_request(model="site-gpt-image-1.5", size=Size(1536, 864))
    odd = a_request(
        model="studio.images",
        operation=Operation.INPAINT,
        inputs=(an_input(), a_mask((0, 0, 8, 8), size=(512, 512))),
    )
    for request in (wide, odd):
        with pytest.raises(UnsupportedParameter):
            called(credential, answer, request)
