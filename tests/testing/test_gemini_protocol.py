"""Gemini's API as the simulator speaks it: what it refuses, and what it gives."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.testing.conftest import KEY, Caller

PATH = "/gemini/v1/models/gemini-3-pro-image:generateContent"
VERTEX = "/gemini/v1/projects/p/locations/global/publishers/google/models/gemini-3-pro-image"
TEXT = [{"role": "user", "parts": [{"text": "a mug"}]}]


def body(**changes: Any) -> dict[str, Any]:
    config = {"responseModalities": ["IMAGE"], **changes.pop("config", {})}
    return {"contents": TEXT, "generationConfig": config, **changes}


@pytest.mark.parametrize(
    "wrong",
    [
        body(contents=[]),
        body(contents=[{"parts": [{"text": " "}]}]),
        body(contents=[{"parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}]),
        body(contents=[{"parts": [{"inlineData": {"mimeType": "image/gif", "data": "AAAA"}}]}]),
        body(config={"responseModalities": ["TEXT"]}),
        body(config={"candidateCount": 2}),
        body(config={"seed": 2**31}),
        body(config={"seed": "7"}),
        body(config={"steps": 30}),
        body(config={"imageConfig": {"aspectRatio": "7:5"}}),
        body(config={"imageConfig": {"aspectRatio": "1:8"}}),
        body(config={"imageConfig": {"imageSize": "2k"}}),
        body(config={"imageConfig": {"imageSize": "512"}}),
        body(config={"imageConfig": {"imageOutputOptions": {"mimeType": "image/png"}}}),
        body(config={"imageConfig": {"personGeneration": "ALLOW_ALL"}}),
        body(safetySettings=[{"category": "HARM_CATEGORY_X", "threshold": "OFF"}]),
        body(store="no"),
        body(labels={"a": "b"}),
        {},
    ],
)
def test_what_the_real_one_refuses_is_refused_and_not_billed(
    caller: Caller, wrong: dict[str, Any]
) -> None:
    answer = caller.post(PATH, json=wrong, headers={"x-goog-api-key": KEY})

    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert caller.simulator.bill()["images"] == 0


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (PATH, {}, 403),
        (PATH, {"x-goog-api-key": "wrong"}, 400),
        (PATH.replace("gemini-3-pro", "gemini-9"), {"x-goog-api-key": KEY}, 404),
        (f"{VERTEX}:generateContent", {"authorization": "Bearer wrong"}, 401),
    ],
)
def test_a_wrong_key_or_model_is_refused(
    caller: Caller, path: str, headers: dict[str, str], status: int
) -> None:
    answer = caller.post(path, json=body(), headers=headers)

    assert answer.status_code == status
    assert caller.simulator.bill()["images"] == 0


def test_vertex_keeps_nothing_and_has_formats(caller: Caller) -> None:
    path = f"{VERTEX}:generateContent"
    config = {"imageConfig": {"imageOutputOptions": {"mimeType": "image/webp"}}}

    refused = caller.post(path, json=body(store=False))
    made = caller.post(path, json=body(config=config))

    assert refused.status_code == 400
    *drafts, last = made.json()["candidates"][0]["content"]["parts"]
    assert last["inlineData"]["mimeType"] == "image/webp"
    assert base64.b64decode(last["inlineData"]["data"])[8:12] == b"WEBP"
    assert any("inlineData" in one for one in drafts)
