"""xAI's API as the simulator speaks it: what it refuses, and what it gives."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from tests.testing.conftest import Caller

GOOD = {"model": "grok-imagine-image-2.0", "prompt": "a mug"}


def url(data: bytes) -> dict[str, str]:
    text = base64.b64encode(data).decode()
    return {"type": "image_url", "url": f"data:image/png;base64,{text}"}


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"prompt": " "}, 422),
        ({"prompt": "x" * 8001}, 422),
        ({"n": 11}, 422),
        ({"n": "2"}, 422),
        ({"size": "1024x1024"}, 422),
        ({"style": "vivid"}, 422),
        ({"seed": 7}, 422),
        ({"aspect_ratio": "7:5"}, 422),
        ({"resolution": "4k"}, 422),
        ({"quality": "ultra"}, 422),
        ({"response_format": "png"}, 422),
        ({"model": "grok-imagine-image", "quality": "low"}, 422),
        ({"model": "grok-2-image"}, 404),
    ],
)
def test_what_the_real_one_refuses_is_refused_and_not_billed(
    caller: Caller, wrong: dict[str, Any], status: int
) -> None:
    answer = caller.post("/xai/v1/images/generations", json=GOOD | wrong)

    assert answer.status_code == status
    if status == 422:
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.text.startswith("Failed to deserialize the JSON body")
    else:
        assert answer.json().keys() == {"code", "error"}
    assert caller.simulator.bill()["images"] == 0


def test_an_edit_needs_images_as_json(caller: Caller, picture: Callable[..., bytes]) -> None:
    path, image = "/xai/v1/images/edits", url(picture())

    form = caller.post(path, data=GOOD, files={"image": ("a.png", picture(), "image/png")})
    wrong: tuple[dict[str, Any], ...] = (
        {},
        {"images": []},
        {"image": image, "images": [image]},
        {"images": [image] * 6},
        {"image": {"url": "not a URL"}},
        {"image": {**image, "detail": "high"}},
        {"image": url(b"GIF89a")},
    )
    refused = [caller.post(path, json=GOOD | more).status_code for more in wrong]

    assert form.status_code == 415
    assert refused == [422] * len(wrong)
    assert caller.simulator.bill()["images"] == 0


def test_a_wrong_key_is_a_bad_request(caller: Caller) -> None:
    headers = {"authorization": "Bearer wrong"}

    answer = caller.post("/xai/v1/images/generations", json=GOOD, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid-argument"


def test_images_in_a_generation_are_ignored_without_a_word(
    caller: Caller, picture: Callable[..., bytes]
) -> None:
    answer = caller.post("/xai/v1/images/generations", json=GOOD | {"image": url(picture())})

    assert answer.status_code == 200
    assert not caller.simulator.received()


@pytest.mark.parametrize(
    ("changes", "ticks"),
    [
        ({}, 400_000_000),
        ({"quality": "medium", "resolution": "2k"}, 800_000_000),
        ({"n": 3}, 1_200_000_000),
        ({"model": "grok-imagine-image"}, 200_000_000),
    ],
)
def test_an_answer_has_its_price(caller: Caller, changes: dict[str, Any], ticks: int) -> None:
    answer = caller.post("/xai/v1/images/generations", json=GOOD | changes).json()

    assert answer["usage"]["cost_in_usd_ticks"] == ticks


@pytest.mark.parametrize(
    ("fault", "status", "code", "words"),
    [
        ({"kind": "quota"}, 403, "The caller does not have permission", "Your team "),
        (
            {"kind": "moderation_block", "categories": ["bio"]},
            403,
            "The caller does not have permission",
            "Content violates usage guidelines",
        ),
        (
            {"kind": "moderation_block", "stage": "output"},
            400,
            "Client specified an invalid argument",
            "Generated image rejected by content moderation",
        ),
        ({"kind": "status", "status": 429}, 429, "Some resource has been exhausted", ""),
        ({"kind": "status", "status": 503}, 503, "The service is currently unavailable", ""),
    ],
)
def test_an_error_has_a_sentence_as_its_code_and_says_the_rest_in_words(
    caller: Caller, fault: dict[str, Any], status: int, code: str, words: str
) -> None:
    caller.simulator.script(fault=fault)

    answer = caller.post("/xai/v1/images/generations", json=GOOD)

    assert answer.status_code == status
    assert answer.json()["code"].startswith(code)
    assert answer.json()["error"].startswith(words)
