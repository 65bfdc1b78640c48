"""Black Forest Labs' API as the simulator speaks it: what it refuses, and what it gives."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.testing.conftest import KEY, Caller

GOOD = {"prompt": "a mug"}


def sent(caller: Caller, model: str, body: Any, key: str = KEY) -> httpx.Response:
    return caller.post(f"/bfl/v1/{model}", json=body, headers={"x-key": key})


@pytest.mark.parametrize(
    ("model", "wrong", "field"),
    [
        ("flux-2-pro", {}, "prompt"),
        ("flux-2-pro", GOOD | {"n": 2}, "n"),
        ("flux-2-pro", GOOD | {"negative_prompt": "fog"}, "negative_prompt"),
        ("flux-2-pro", GOOD | {"width": 1000}, "width"),
        ("flux-2-pro", GOOD | {"width": "1024"}, "width"),
        ("flux-2-pro", GOOD | {"safety_tolerance": 6}, "safety_tolerance"),
        ("flux-2-pro", GOOD | {"steps": 20}, "steps"),
        ("flux-2-pro", GOOD | {"seed": "7"}, "seed"),
        ("flux-2-pro", GOOD | {"output_format": "gif"}, "output_format"),
        ("flux-2-pro", GOOD | {"input_image": "data:image/png;base64,AAAA"}, "input_image"),
        ("flux-2-klein-4b", GOOD | {"input_image_5": "AAAA"}, "input_image_5"),
        ("flux-2-flex", GOOD | {"guidance": 1.0}, "guidance"),
        ("flux-dev", GOOD | {"height": 1472}, "height"),
        ("flux-kontext-pro", GOOD | {"aspect_ratio": "3:1"}, "aspect_ratio"),
        ("flux-kontext-pro", GOOD | {"width": 1024}, "width"),
        ("flux-3-image", GOOD | {"seed": 7}, "seed"),
        ("flux-3-image", GOOD | {"grounding": "no"}, "grounding"),
        ("flux-3-image", GOOD | {"resolution": "2K"}, "aspect_ratio"),
        ("flux-pro-1.0-fill", GOOD, "image"),
        ("flux-pro-1.0-expand", {"image": "AAAA"}, "image"),
        ("flux-pro-1.1-ultra-finetuned", GOOD, "finetune_id"),
        ("flux-pro-1.1-ultra-finetuned", GOOD | {"raw": True}, "raw"),
    ],
)
def test_what_the_real_one_refuses_is_refused_and_not_billed(
    caller: Caller, model: str, wrong: dict[str, Any], field: str
) -> None:
    answer = sent(caller, model, wrong)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", field]
    assert caller.simulator.bill()["images"] == 0


def test_a_wrong_key_or_model_is_refused(caller: Caller) -> None:
    assert sent(caller, "flux-2-pro", GOOD, key="wrong").status_code == 403
    assert sent(caller, "flux-9", GOOD).status_code == 404
    assert caller.simulator.bill()["images"] == 0


def test_a_mask_of_another_size_is_refused(caller: Caller, picture: Callable[..., bytes]) -> None:
    image, mask = (base64.b64encode(picture(side, 64)).decode() for side in (64, 96))

    answer = sent(caller, "flux-pro-1.0-fill", {"image": image, "mask": mask})

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "mask"]


def test_a_task_is_polled_without_the_key(caller: Caller) -> None:
    task = sent(caller, "flux-2-pro", GOOD).json()
    found: dict[str, Any] = {}
    for _ in range(6_000):
        found = httpx.get(task["polling_url"], trust_env=False).json()
        if found["status"] != "Pending":
            break

    assert found["status"] == "Ready"
    assert httpx.get(found["result"]["sample"], trust_env=False).status_code == 200
    assert task["cost"] == 3.0
