"""Recraft's API as the simulator speaks it: what it refuses, and what it gives."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from tests.testing.conftest import Caller

IMAGES = "/recraft/v1/images"
GOOD = {"prompt": "a mug", "model": "recraftv3"}


def data_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": " "},
        {"model": "recraftv9"},
        {"n": 7},
        {"n": "1"},
        {"size": "1000x1000"},
        {"size": "1216x896"},
        {"random_seed": -1},
        {"random_seed": 2**32},
        {"image_format": "jpeg"},
        {"response_format": "base64"},
        {"quality": "high"},
        {"controls": {"colours": []}},
        {"controls": {"colors": ["#ff0000"]}},
        {"controls": {"colors": [{"rgb": [256, 0, 0]}]}},
        {"model": "recraftv4_1", "negative_prompt": "fog"},
        {"model": "recraftv4_1_pro", "size": "2048x2048", "style": "Pixel art"},
        {"prompt": "simulate-blocked"},
    ],
)
def test_what_the_real_one_refuses_is_refused_and_not_billed(
    caller: Caller, changes: dict[str, Any]
) -> None:
    answer = caller.post(f"{IMAGES}/generations", json=GOOD | changes)

    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "message"}
    assert caller.simulator.bill()["images"] == 0


def test_images_and_masks_are_checked(caller: Caller, picture: Callable[..., bytes]) -> None:
    image, mask = data_url(picture(256, 256)), data_url(picture(256, 256, mode="L"))
    wrong: dict[str, tuple[str, dict[str, Any]]] = {
        "no mask": ("inpaint", {"image_url": image}),
        "too small": ("imageToImage", {"image_url": data_url(picture(64, 64)), "strength": 0.5}),
        "no strength": ("imageToImage", {"image_url": image}),
        "an address": ("imageToImage", {"image_url": "https://example.org/", "strength": 0.5}),
        "a mask of another size": (
            "inpaint",
            {"image_url": image, "mask_url": data_url(picture(300, 256, mode="L"))},
        ),
        "a grey mask": (
            "inpaint",
            {"image_url": image, "mask_url": data_url(picture(256, 256, mode="L", colour=99))},
        ),
        "another version": (
            "inpaint",
            {"image_url": image, "mask_url": mask, "model": "recraftv4_1"},
        ),
    }

    found = {
        what: caller.post(f"{IMAGES}/{name}", json=GOOD | more).status_code
        for what, (name, more) in wrong.items()
    }

    assert found == dict.fromkeys(wrong, 400)


@pytest.mark.parametrize(
    ("key", "path", "status", "text"),
    [
        ("wrong", "generations", 401, "request unauthorized"),
        (None, "paintings", 404, "404 page not found"),
    ],
)
def test_some_errors_are_plain_text(
    caller: Caller, key: str | None, path: str, status: int, text: str
) -> None:
    headers = {"authorization": f"Bearer {key}"} if key else {}

    answer = caller.post(f"{IMAGES}/{path}", json=GOOD, headers=headers)

    assert (answer.status_code, answer.text) == (status, text)
    assert answer.headers["content-type"].startswith("text/plain")


def test_an_answer_names_its_price(caller: Caller) -> None:
    answer = caller.post(f"{IMAGES}/generations", json=GOOD | {"n": 2}).json()

    assert answer["credits"] == 80
    assert all(item["url"] and "b64_json" not in item for item in answer["data"])
