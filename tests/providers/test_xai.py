"""What only xAI does: edits by JSON, no images in generations, prices in ticks, blocks by item."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from imagegen_app.core.errors import (
    AuthenticationFailed,
    BadResponse,
    ContentBlocked,
    InvalidRequest,
    PermissionDenied,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    UnsupportedParameter,
)
from imagegen_app.core.types import Cost, GenerationRequest, InputRole, Operation, Size
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.base import Account
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import HttpClient
from imagegen_app.providers.xai import XAI
from tests.providers.conftest import KEY
from tests.providers.samples import a_request, an_input, answering, http_answer, raw_server

MODEL = "grok-imagine-image-2.0"
IMAGE = base64.b64encode(b"an image").decode()
GOOD = {"b64_json": IMAGE, "mime_type": "image/jpeg", "respect_moderation": True}
WITHHELD = {"url": None, "b64_json": None, "respect_moderation": False}
Spooled = Callable[..., SpooledAnswer]


def asked(**changes: Any) -> GenerationRequest:
    return a_request(**{"model": MODEL, "output_format": "jpeg", **changes})


def called(
    request: GenerationRequest,
    answer: SpooledAnswer,
    credential: Credential,
    *answers: bytes,
) -> tuple[list[bytes], Any]:
    """Submit a request; return what was sent, and the result."""

    async def run() -> tuple[list[bytes], Any]:
        good = http_answer(json.dumps({"data": [GOOD]}).encode())
        async with (
            raw_server(answering(*answers or (good,))) as server,
            HttpClient(trusted_origins=frozenset({server.url})) as http,
        ):
            provider = registry.build(
                "xai", base_url=server.url + "/v1", credential=credential, http=http
            )
            await provider.submit(request, answer=answer)
            return server.requests, provider.read_answer(answer)

    return asyncio.run(run())


def sent_by(request: GenerationRequest, answer: SpooledAnswer, credential: Credential) -> Any:
    (sent,), _ = called(request, answer, credential)
    head, _, body = sent.partition(b"\r\n\r\n")
    return head.split(b" ")[1].decode(), json.loads(body)


def test_a_generation_says_shape_resolution_and_quality(
    answer: SpooledAnswer, credential: Credential
) -> None:
    path, body = sent_by(asked(count=3, size=Size(2720, 1536)), answer, credential)

    assert path == "/v1/images/generations"
    assert body == {
        "model": MODEL,
        "prompt": asked().prompt,
        "n": 3,
        "response_format": "b64_json",
        "aspect_ratio": "16:9",
        "resolution": "2k",
        "quality": "low",
        "user": asked().end_user,
    }


@pytest.mark.parametrize(
    ("changes", "quality"),
    [
        ({}, "medium"),
        ({"quality": "low"}, "low"),
        ({"model": "grok-imagine-image"}, None),
    ],
)
def test_the_quality_that_decides_the_price_is_always_said(
    answer: SpooledAnswer, credential: Credential, changes: dict[str, Any], quality: str | None
) -> None:
    request = asked(operation=Operation.EDIT, inputs=(an_input(size=(64, 64)),), **changes)

    _, body = sent_by(request, answer, credential)

    assert body.get("quality") == quality


def test_an_edit_is_json_with_one_image_or_a_list(
    answer: SpooledAnswer, credential: Credential, new_answer: Callable[[], SpooledAnswer]
) -> None:
    images = (an_input(size=(64, 64)), an_input(size=(64, 64), role=InputRole.REFERENCE))
    one = asked(operation=Operation.EDIT, inputs=images[:1])
    two = asked(operation=Operation.EDIT, inputs=images)

    path, body = sent_by(one, answer, credential)
    _, bodies = sent_by(two, new_answer(), credential)

    assert path == "/v1/images/edits"
    assert body["image"] == {"type": "image_url", "url": images[0].data_url}
    assert [image["url"] for image in bodies["images"]] == [image.data_url for image in images]
    assert "images" not in body
    assert "image" not in bodies


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"inputs": (an_input(size=(64, 64), role=InputRole.REFERENCE),)}, "inputs"),
        ({"seed": 7}, "seed"),
        ({"size": Size(4096, 4096)}, "size"),
        ({"size": Size(1000, 700)}, "size"),
        ({"output_format": "png"}, "output_format"),
        ({"quality": "high"}, "quality"),
        ({"model": "grok-imagine-image", "quality": "low"}, "quality"),
        ({"count": 11}, "count"),
    ],
)
def test_what_would_be_ignored_and_billed_is_refused_before_any_call(
    answer: SpooledAnswer, credential: Credential, changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        called(asked(**changes), answer, credential)

    assert why in caught.value.detail
    assert not answer.folder.exists()


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"error": "bad field"}, 422, InvalidRequest),
        ({"code": "invalid-argument", "error": f"Incorrect API key: {KEY}"}, 400, None),
        ({"code": "invalid-argument", "error": "a canary-colour mug"}, 400, InvalidRequest),
        # Not how it begins: a prompt may say anything.
        ({"error": "canary: content violates usage guidelines"}, 400, InvalidRequest),
        ({"error": "The caller does not have permission"}, 403, PermissionDenied),
        (
            {"error": {"message": KEY, "type": "x", "code": "insufficient_quota"}},
            429,
            QuotaExhausted,
        ),
        ({"error": {"message": KEY, "type": "x", "code": "content_filter"}}, 400, ContentBlocked),
        ({"error": "slow down"}, 429, RateLimited),
        ("text", 401, AuthenticationFailed),
    ],
)
def test_an_error_is_read_in_all_its_forms(
    answer: SpooledAnswer,
    credential: Credential,
    body: object,
    status: int,
    kind: type[ProviderError] | None,
) -> None:
    refusal = http_answer(json.dumps(body).encode(), status=f"{status} Refused")
    expected = kind or AuthenticationFailed

    with pytest.raises(expected) as caught:
        called(asked(prompt="a canary-colour mug"), answer, credential, refusal)

    assert type(caught.value) is expected
    said = str(caught.value) + caught.value.detail
    assert KEY not in said
    assert "canary" not in said


SPENT = "has either used all available credits or reached its monthly spending limit."
REJECTED = "Generated image rejected by content moderation."
GUIDELINES = "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO canary"


@pytest.mark.parametrize(
    ("refused", "status", "expected"),
    [
        ({"error": REJECTED}, 400, ("output", "yes", None)),
        (
            {"error": REJECTED, "usage": {"cost_in_usd_ticks": 200_000_000}},
            400,
            ("output", "yes", Decimal("0.02")),
        ),
        ({"code": "permission-denied", "error": GUIDELINES}, 403, ("input", "unknown", None)),
        ({"error": {"message": GUIDELINES}}, 400, ("input", "unknown", None)),
    ],
)
def test_blocked_content_under_another_status_is_told_by_its_text(
    answer: SpooledAnswer, credential: Credential, refused: object, status: int, expected: object
) -> None:
    refusal = http_answer(json.dumps(refused).encode(), status=f"{status} Refused")

    with pytest.raises(ContentBlocked) as caught:
        called(asked(), answer, credential, refusal)

    found = caught.value
    counted = found.counted.reported_cost if found.counted else None
    assert (found.stage, found.billed, counted.amount if counted else None) == expected
    assert found.categories == (("SAFETY_CHECK_TYPE_BIO",) if found.stage == "input" else ())
    assert "canary" not in f"{found} {found.detail}"


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize(
    "said", [f"Your team x-1 {SPENT}", "Your newly created team doesn't have any credits yet."]
)
def test_a_team_without_credits_is_no_lack_of_permission_and_no_rate_limit(
    answer: SpooledAnswer, credential: Credential, status: int, said: str
) -> None:
    body = {"code": "The caller does not have permission", "error": said}
    refusal = http_answer(json.dumps(body).encode(), status=f"{status} Refused")

    with pytest.raises(QuotaExhausted):
        called(asked(), answer, credential, refusal)


def test_a_refusal_in_plain_text_is_sorted_by_its_status_and_kept_in_its_words(
    answer: SpooledAnswer, credential: Credential
) -> None:
    words = b"Failed to deserialize the JSON body into the target type: n: invalid value"
    refusal = http_answer(words, status="422 No", headers=("Content-Type: text/plain",))

    with pytest.raises(InvalidRequest) as caught:
        called(asked(), answer, credential, refusal)

    assert caught.value.provider_message.startswith("Failed to deserialize")


def read(answer: SpooledAnswer) -> Any:
    return XAI(Account()).read_answer(answer)


def body(*items: Any, ticks: object = None, **more: Any) -> bytes:
    usage = {} if ticks is None else {"usage": {"cost_in_usd_ticks": ticks}}
    return json.dumps({"data": list(items), **usage, **more}).encode()


def test_the_price_is_the_one_in_the_answer(spooled: Spooled) -> None:
    sent = {"quality": "medium", "resolution": "1k"}

    result = read(spooled(body(GOOD, ticks=412_345_678), asked=1, sent=sent))

    assert result.reported_cost == Cost(Decimal("0.0412345678"))
    assert result.resolved == sent
    assert [image.data for image in result.images] == [b"an image"]


@pytest.mark.parametrize("ticks", [None, -1, True, "400", 10**30, 1.5])
def test_an_odd_price_is_no_price(spooled: Spooled, ticks: object) -> None:
    assert read(spooled(body(GOOD, ticks=ticks))).reported_cost is None


def test_what_is_withheld_costs_what_the_answer_says(spooled: Spooled) -> None:
    with pytest.raises(ContentBlocked) as caught:
        read(spooled(body(WITHHELD, ticks=4 * 10**8)))

    counted = caught.value.counted
    assert counted is not None
    assert counted.reported_cost == Cost(Decimal("0.04"))


def test_a_withheld_image_leaves_the_others(spooled: Spooled) -> None:
    result = read(spooled(body(WITHHELD, GOOD, ticks=8 * 10**8), asked=2))

    assert len(result.images) == 1
    assert result.unusable == ("withheld by the provider's moderation",)
    assert result.resolved == {"count": "1 of 2"}


def test_an_image_that_only_says_so_is_kept(spooled: Spooled) -> None:
    assert read(spooled(body({**GOOD, "respect_moderation": False}))).images


@pytest.mark.parametrize(
    ("answered", "stage", "billed"),
    [
        (body(WITHHELD, ticks=4), "output", "yes"),
        (body(WITHHELD, ticks=0), "output", "no"),
        (body(WITHHELD, WITHHELD), "output", "yes"),
        (body(reason="The prompt of a canary-colour mug was rejected."), "input", "yes"),
        (
            json.dumps({"block_reason": "no", "usage": {"cost_in_usd_ticks": 0}}).encode(),
            "input",
            "no",
        ),
    ],
)
def test_a_block_inside_a_success_tells_its_stage_and_bill(
    spooled: Spooled, answered: bytes, stage: str, billed: str
) -> None:
    with pytest.raises(ContentBlocked) as caught:
        read(spooled(answered, request_id="r-1"))

    assert (caught.value.stage, caught.value.billed) == (stage, billed)
    assert caught.value.request_id == "r-1"
    assert "canary" not in caught.value.detail


@pytest.mark.parametrize(
    "answered", [body(), body(id="x", model="y"), b'{"error": "text"}', b'{"data": 3}', b"7"]
)
def test_an_answer_without_images_or_reason_is_a_bad_response(
    spooled: Spooled, answered: bytes
) -> None:
    with pytest.raises(BadResponse):
        read(spooled(answered))


def test_an_image_that_comes_as_an_address_is_fetched_at_once(
    answer: SpooledAnswer, credential: Credential
) -> None:
    address = http_answer(json.dumps({"data": [{"url": "/file.jpg"}]}).encode())

    sent, result = called(asked(), answer, credential, address, http_answer(b"fetched"))

    assert [image.data for image in result.images] == [b"fetched"]
    assert sent[1].startswith(b"GET /file.jpg HTTP")
