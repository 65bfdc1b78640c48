"""What only Gemini does: its requests, blocks inside a success, quotas, and the last of several images."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from imagegen_app.core.errors import (
    AuthenticationFailed,
    BadResponse,
    ContentBlocked,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    UnsupportedParameter,
)
from imagegen_app.core.types import GenerationRequest, InputRole, Operation, Size, Usage
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.base import Account
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.gemini import Gemini
from imagegen_app.providers.http import HttpClient
from tests.providers.conftest import KEY
from tests.providers.samples import a_request, an_input, answering, http_answer, raw_server

MODEL = "gemini-nano-banana-2.1"
REQUEST = a_request(model=MODEL, output_format="jpeg", size=Size(1376, 768))
IMAGE = base64.b64encode(b"the last image").decode()
ANSWER = {
    "candidates": [
        {"content": {"parts": [{"inlineData": {"mimeType": "image/jpeg", "data": IMAGE}}]}}
    ],
    "modelVersion": f"{MODEL}-001",
    "responseId": "r-17",
}
Spooled = Callable[..., SpooledAnswer]


def called(
    request: GenerationRequest,
    answer: SpooledAnswer,
    credential: Credential,
    *,
    adapter: str = "gemini",
    reply: object = ANSWER,
    status: str = "200 OK",
    **options: Any,
) -> tuple[Any, bytes]:
    """Submit a request; return the submission, and the bytes that were sent."""

    async def run() -> tuple[Any, bytes]:
        wire = http_answer(json.dumps(reply).encode(), status=status)
        async with raw_server(answering(wire)) as server:
            async with HttpClient(trusted_origins=frozenset({server.url})) as http:
                provider = registry.build(
                    adapter,
                    base_url=server.url + "/v1",
                    credential=credential,
                    http=http,
                    options=options,
                )
                submission = await provider.submit(request, answer=answer)
            return submission, server.requests[0]

    return asyncio.run(run())


def read(answer: SpooledAnswer) -> Any:
    return Gemini(Account()).read_answer(answer)


def test_a_generation_says_proportions_and_size_and_is_not_stored(
    answer: SpooledAnswer, credential: Credential
) -> None:
    request = a_request(
        model=MODEL,
        output_format="jpeg",
        size=Size(2752, 1536),
        seed=7,
        parameters={"safety_threshold": "BLOCK_ONLY_HIGH"},
    )

    submission, sent = called(request, answer, credential)

    head, _, body = sent.partition(b"\r\n\r\n")
    document = json.loads(body)
    assert head.startswith(f"POST /v1/models/{MODEL}:generateContent HTTP".encode())
    assert f"x-goog-api-key: {KEY}".encode() in head
    assert b"authorization" not in head.lower()
    assert document["contents"] == [{"role": "user", "parts": [{"text": request.prompt}]}]
    assert document["generationConfig"] == {
        "responseModalities": ["IMAGE"],
        "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
        "seed": 7,
    }
    assert {one["threshold"] for one in document["safetySettings"]} == {"BLOCK_ONLY_HIGH"}
    assert document["store"] is False
    assert submission.request_id == "r-17"


def test_the_server_is_told_to_give_up_before_we_do(
    answer: SpooledAnswer, credential: Credential
) -> None:
    _, sent = called(REQUEST, answer, credential)

    assert b"X-Server-Timeout: 595" in sent


def test_vertex_names_project_and_place_and_takes_a_token(
    answer: SpooledAnswer, credential: Credential
) -> None:
    request = a_request(
        model=MODEL,
        output_format="webp",
        parameters={"output_compression": 80, "person_generation": "ALLOW_ADULT"},
    )

    _, sent = called(
        request,
        answer,
        credential,
        adapter="gemini_vertex",
        project="my-site",
        quota_project="bill",
    )

    head, _, body = sent.partition(b"\r\n\r\n")
    path = f"/v1/projects/my-site/locations/global/publishers/google/models/{MODEL}"
    assert head.startswith(f"POST {path}:generateContent HTTP".encode())
    assert f"Authorization: Bearer {KEY}".encode() in head
    assert b"x-goog-user-project: bill" in head
    document = json.loads(body)
    assert "store" not in document
    assert document["generationConfig"]["imageConfig"] == {
        "aspectRatio": "1:1",
        "imageSize": "1K",
        "imageOutputOptions": {"mimeType": "image/webp", "compressionQuality": 80},
        "personGeneration": "ALLOW_ADULT",
    }


def test_images_follow_the_prompt(answer: SpooledAnswer, credential: Credential) -> None:
    images = (an_input(size=(64, 64)), an_input(size=(64, 64), role=InputRole.REFERENCE))
    request = a_request(model=MODEL, output_format="jpeg", operation=Operation.EDIT, inputs=images)

    _, sent = called(request, answer, credential)

    text, *shown = json.loads(sent.partition(b"\r\n\r\n")[2])["contents"][0]["parts"]
    assert text == {"text": request.prompt}
    assert [base64.b64decode(one["inlineData"]["data"]) for one in shown] == [
        image.data for image in images
    ]


@pytest.mark.parametrize(
    ("adapter", "changes", "why"),
    [
        ("gemini", {"seed": 2**31}, "seed"),
        ("gemini", {"output_format": "png"}, "output_format"),
        ("gemini", {"size": Size(1000, 700)}, "size"),
        ("gemini", {"size": Size(128, 128)}, "size"),
        ("gemini", {"count": 2}, "count"),
        ("gemini", {"parameters": {"safety_threshold": "BLOCK_NONE"}}, "safety_threshold"),
        ("gemini", {"parameters": {"person_generation": "ALLOW_ALL"}}, "person_generation"),
        ("gemini", {"model": "gemini-2.5-flash-image", "size": Size(2048, 2048)}, "size"),
        ("gemini_vertex", {}, "project"),
        (
            "gemini_vertex",
            {"output_format": "png", "parameters": {"output_compression": 80}},
            "output_compression",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_any_call(
    answer: SpooledAnswer, credential: Credential, adapter: str, changes: dict[str, Any], why: str
) -> None:
    request = a_request(**{"model": MODEL, "output_format": "jpeg", **changes})
    options = {"project": "p"} if why == "output_compression" else {}

    with pytest.raises(UnsupportedParameter) as caught:
        called(request, answer, credential, adapter=adapter, **options)

    assert why in caught.value.detail
    assert not answer.folder.exists()


def error(status: int, word: str, *details: dict[str, Any]) -> dict[str, Any]:
    named = [{"@type": "type.googleapis.com/google.rpc.X", **detail} for detail in details]
    return {"error": {"code": status, "status": word, "message": f"{KEY} said", "details": named}}


EXHAUSTED = "RESOURCE_EXHAUSTED"
PER_MINUTE = {"quotaId": "GenerateRequestsPerMinutePerProjectPerModel", "quotaValue": "10"}


@pytest.mark.parametrize(
    ("reply", "kind", "wait"),
    [
        (error(400, "INVALID_ARGUMENT"), InvalidRequest, None),
        ([error(400, "INVALID_ARGUMENT")], InvalidRequest, None),
        (
            error(400, "INVALID_ARGUMENT", {"reason": "API_KEY_INVALID"}),
            AuthenticationFailed,
            None,
        ),
        (error(400, "FAILED_PRECONDITION"), PermissionDenied, None),
        (error(403, "PERMISSION_DENIED"), PermissionDenied, None),
        (error(404, "NOT_FOUND"), NotFound, None),
        (error(429, EXHAUSTED), RateLimited, None),
        (error(429, EXHAUSTED, {"retryDelay": "46s"}), RateLimited, 46.0),
        (
            error(429, EXHAUSTED, {"violations": [PER_MINUTE]}, {"retryDelay": "1m2.5s"}),
            RateLimited,
            62.5,
        ),
        (error(429, EXHAUSTED, {"retryDelay": "10h17m5.7s"}), QuotaExhausted, None),
        (
            error(429, EXHAUSTED, {"violations": [{"quotaId": "RequestsPerDayPerProject"}]}),
            QuotaExhausted,
            None,
        ),
        (
            error(429, EXHAUSTED, {"violations": [{**PER_MINUTE, "quotaValue": "0"}]}),
            QuotaExhausted,
            None,
        ),
        (error(500, "INTERNAL"), OutcomeUnknown, None),
        (error(503, "UNAVAILABLE", {"retryDelay": "3s"}), ProviderUnavailable, 3.0),
        (error(504, "DEADLINE_EXCEEDED"), OutcomeUnknown, None),
        ({"error": {"details": 7, "status": 3}}, InvalidRequest, None),
        ([], InvalidRequest, None),
    ],
)
def test_an_error_is_sorted_by_its_codes(
    answer: SpooledAnswer,
    credential: Credential,
    reply: Any,
    kind: type[ProviderError],
    wait: float | None,
) -> None:
    inner = reply[0] if isinstance(reply, list) and reply else reply
    number = inner["error"].get("code", 400) if inner else 400

    with pytest.raises(kind) as caught:
        called(REQUEST, answer, credential, reply=reply, status=f"{number} Refused")

    assert type(caught.value) is kind
    assert caught.value.retry_after == wait
    assert KEY not in str(caught.value) + caught.value.detail


def part(data: str, **more: Any) -> dict[str, Any]:
    return {"inlineData": {"mimeType": "image/jpeg", "data": data}, **more}


def finished(reason: str, *parts: dict[str, Any], **usage: Any) -> bytes:
    candidate = {"content": {"parts": list(parts)}, "finishReason": reason}
    return json.dumps({"candidates": [candidate], "usageMetadata": usage}).encode()


def test_the_last_image_that_is_no_thought_counts(spooled: Spooled) -> None:
    draft = base64.b64encode(b"a draft").decode()
    parts = part(draft), part(IMAGE), {"text": "so"}, part(draft, thought=True)

    result = read(spooled(finished("STOP", *parts), sent={"aspectRatio": "16:9"}))

    assert [image.data for image in result.images] == [b"the last image"]
    assert result.resolved == {"aspect_ratio": "16:9"}
    assert result.usage.images == 1


def test_an_image_in_the_other_spelling_is_read(spooled: Spooled) -> None:
    snake = {"inline_data": {"mime_type": "image/png", "data": f"data:image/png;base64,{IMAGE}"}}

    result = read(spooled(finished("STOP", snake)))

    assert result.images[0].data == b"the last image"
    assert result.images[0].claimed_media_type == "image/png"


@pytest.mark.parametrize(
    "reason", ["SAFETY", "IMAGE_SAFETY", "IMAGE_RECITATION", "SPII", "MODEL_ARMOR"]
)
def test_a_withheld_image_is_a_block_of_the_output_and_billed(
    spooled: Spooled, reason: str
) -> None:
    with pytest.raises(ContentBlocked) as caught:
        read(spooled(finished(reason).replace(b"{", b'{"responseId": "r-1", ', 1)))

    assert (caught.value.stage, caught.value.billed) == ("output", "yes")
    assert caught.value.categories == (reason,)
    assert caught.value.request_id == "r-1"


def test_a_refused_prompt_is_a_block_of_the_input(spooled: Spooled) -> None:
    ratings = [
        {"category": "HARM_CATEGORY_HARASSMENT", "blocked": True},
        {"category": "HARM_CATEGORY_HATE_SPEECH"},
    ]
    feedback = {"blockReason": "SAFETY", "safetyRatings": ratings}
    body = json.dumps({"promptFeedback": feedback, "usageMetadata": {"promptTokenCount": 10}})

    with pytest.raises(ContentBlocked) as caught:
        read(spooled(body.encode()))

    assert (caught.value.stage, caught.value.billed) == ("input", "no")
    assert caught.value.categories == ("SAFETY", "HARM_CATEGORY_HARASSMENT")


def test_a_limited_account_is_not_told_as_the_prompts_fault(spooled: Spooled) -> None:
    drawn = {"candidatesTokenCount": 1120}
    told = []

    for usage in ({}, drawn):
        with pytest.raises(PermissionDenied) as caught:
            read(spooled(finished("PUP_LIMITED_DISABLED", **usage)))
        told.append(caught.value.billed)

    assert told == ["no", "yes"]


@pytest.mark.parametrize("reason", ["NO_IMAGE", "IMAGE_OTHER", "MAX_TOKENS", "STOP", "x" * 99])
def test_an_answer_of_text_is_a_bad_response_without_its_words(
    spooled: Spooled, reason: str
) -> None:
    with pytest.raises(BadResponse) as caught:
        read(spooled(finished(reason, {"text": "a canary-colour mug cannot be drawn"})))

    assert "canary" not in caught.value.detail
    assert ("x" * 99) not in caught.value.detail


def test_tokens_count_once_each(spooled: Spooled) -> None:
    usage = {
        "promptTokenCount": 300,
        "promptTokensDetails": [{"modality": "IMAGE", "tokenCount": 258}],
        "cachedContentTokenCount": 30,
        "candidatesTokenCount": 1125,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
        "thoughtsTokenCount": 40,
    }

    result = read(spooled(finished("STOP", part(IMAGE), **usage)))

    assert result.usage == Usage(
        input_text_tokens=12,
        cached_input_text_tokens=30,
        input_image_tokens=258,
        output_image_tokens=1120,
        output_text_tokens=45,
        images=1,
    )


def test_odd_counts_count_as_nothing(spooled: Spooled) -> None:
    odd = {"promptTokenCount": -3, "candidatesTokenCount": "7", "promptTokensDetails": {"a": 1}}

    assert read(spooled(finished("STOP", part(IMAGE), **odd))).usage == Usage(images=1)


def test_an_id_inside_of_a_text_is_not_the_answers(
    answer: SpooledAnswer, credential: Credential
) -> None:
    text = {"text": 'as in "responseId": "forged"'}
    reply = {"candidates": [{"content": {"parts": [text, part(IMAGE)]}}]}

    submission, _ = called(REQUEST, answer, credential, reply=reply)

    assert submission.request_id == ""
