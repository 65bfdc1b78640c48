"""OpenAI's Images API as the simulator speaks it: what it refuses, and what it gives."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from tests.testing.conftest import KEY, Caller

GOOD = {"model": "gpt-image-2.6-flare", "prompt": "a mug", "size": "1024x1024"}


@pytest.mark.parametrize(
    ("changes", "status", "code", "param"),
    [
        ({"model": "gpt-image-99"}, 404, "model_not_found", "model"),
        ({"model": "dall-e-3"}, 404, "model_not_found", "model"),
        ({"model": None}, 400, "missing_required_parameter", "model"),
        ({"prompt": ""}, 400, "missing_required_parameter", "prompt"),
        ({"prompt": "x" * 32_001}, 400, "string_above_max_length", "prompt"),
        ({"size": "1000x1000"}, 400, "invalid_value", "size"),
        ({"size": "1024x256"}, 400, "invalid_value", "size"),
        ({"size": "large"}, 400, "invalid_value", "size"),
        ({"model": "gpt-image-1.5", "size": "1536x864"}, 400, "invalid_value", "size"),
        ({"quality": "ultra"}, 400, "invalid_value", "quality"),
        ({"model": "gpt-image-2", "quality": "max"}, 400, "invalid_value", "quality"),
        ({"n": 11}, 400, "integer_out_of_range", "n"),
        ({"n": "2"}, 400, "invalid_type", "n"),
        ({"steps": 30}, 400, "unknown_parameter", "steps"),
        ({"response_format": "url"}, 400, "unknown_parameter", "response_format"),
        ({"complexity": "low", "model": "gpt-image-2"}, 400, "unknown_parameter", "complexity"),
        ({"output_format": "svg"}, 400, "invalid_value", "output_format"),
        (
            {"background": "transparent", "output_format": "jpeg"},
            400,
            "invalid_value",
            "background",
        ),
        ({"output_compression": 50}, 400, "invalid_value", "output_compression"),
        ({"stream": True, "n": 2}, 400, "invalid_value", "n"),
        ({"stream": "yes"}, 400, "invalid_type", "stream"),
        ({"stream": True, "partial_images": 4}, 400, "invalid_value", "partial_images"),
        ({"partial_images": 1}, 400, "invalid_value", "partial_images"),
    ],
)
def test_what_the_real_one_refuses_is_refused_and_not_billed(
    caller: Caller, changes: dict[str, Any], status: int, code: str, param: str
) -> None:
    answer = caller.post("/v1/images/generations", json=GOOD | changes)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)
    assert caller.simulator.bill()["images"] == 0


def test_an_edit_is_checked_like_the_real_one(
    caller: Caller, picture: Callable[..., bytes]
) -> None:
    fields = {"model": "gpt-image-2.6-flare", "prompt": "a mug"}
    image, hole = picture(), picture(mode="RGBA")
    wrong: dict[str, dict[str, Any]] = {
        "no image": {"files": {"mask": hole}},
        "no alpha": {"files": {"image": image, "mask": picture(mode="L")}},
        "another size": {"files": {"image": image, "mask": picture(64, 64, mode="RGBA")}},
        "no picture": {"files": {"image": b"GIF89a"}},
        "unknown file": {"files": {"image": image, "control": image}},
        "unknown field": {"files": {"image": image}, "data": fields | {"moderation": "low"}},
        "too many": {"files": [("image[]", image)] * 17},
    }

    answers = {
        name: caller.post("/v1/images/edits", **{"data": fields, **parts}).status_code
        for name, parts in wrong.items()
    }

    assert answers == dict.fromkeys(wrong, 400)
    good = caller.post("/v1/images/edits", data=fields, files={"image": image, "mask": hole})
    assert good.status_code == 200
    assert caller.simulator.bill()["images"] == 1


def test_an_error_repeats_the_key_and_the_prompt(caller: Caller) -> None:
    answer = caller.post("/v1/images/generations", json=GOOD | {"size": "1x1"})

    assert KEY in answer.json()["error"]["message"]
    assert "a mug" in answer.json()["error"]["message"]


def test_a_call_without_a_key_is_refused(caller: Caller) -> None:
    answer = caller.post(
        "/v1/images/generations", json=GOOD, headers={"authorization": "Bearer sk-other"}
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("spelling", ["plain", "unpadded", "url_safe", "lines", "data_url"])
def test_an_image_is_spelt_as_it_is_planned(caller: Caller, spelling: str) -> None:
    caller.simulator.script(spelling=spelling)

    answer = caller.post("/v1/images/generations", json=GOOD)

    text = answer.json()["data"][0]["b64_json"].removeprefix("data:image/png;base64,")
    data = base64.urlsafe_b64decode(text.replace("+", "-").replace("/", "_") + "===")
    assert Image.open(io.BytesIO(data)).size == (1024, 1024)
