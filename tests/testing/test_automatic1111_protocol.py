"""AUTOMATIC1111's API as the simulator speaks it: what it refuses, and what it leaves aside."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.testing.conftest import KEY

GOOD: dict[str, Any] = {"prompt": "a mug", "width": 64, "height": 64, "seed": 3}
PATH = "/sdapi/v1/"


@pytest.fixture
def web_ui(simulator: SimulatorProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=simulator.base_url, auth=("studio", KEY), trust_env=False) as client:
        yield client


def info_of(answer: httpx.Response) -> Any:
    return json.loads(answer.json()["info"])


@pytest.mark.parametrize(
    ("route", "changes", "status", "error"),
    [
        ("txt2img", {"colour": "red"}, 422, None),
        ("txt2img", {"steps": "20"}, 422, None),
        ("txt2img", {"steps": True}, 422, None),
        ("txt2img", {"init_images": ["aGk="]}, 422, None),
        ("txt2img", {"sampler_name": "Magic"}, 400, "HTTPException"),
        ("txt2img", {"alwayson_scripts": {"magic": {}}}, 422, "HTTPException"),
        ("img2img", {}, 404, "HTTPException"),
        ("img2img", {"init_images": ["http://127.0.0.1/a.png"]}, 500, "HTTPException"),
        ("img2img", {"init_images": ["aGk="]}, 500, "HTTPException"),
        ("txt3img", {}, 404, None),
    ],
)
def test_what_the_real_one_refuses_is_refused_and_not_billed(  # noqa: PLR0917 - a table
    web_ui: httpx.Client,
    simulator: SimulatorProcess,
    route: str,
    changes: dict[str, Any],
    status: int,
    error: str | None,
) -> None:
    answer = web_ui.post(PATH + route, json=GOOD | changes)

    assert (answer.status_code, answer.json().get("error")) == (status, error)
    assert simulator.bill()["images"] == 0


def test_a_wrong_password_is_refused(web_ui: httpx.Client) -> None:
    for auth in (("studio", "no"), ("studio", "")):
        assert web_ui.post(f"{PATH}txt2img", json=GOOD, auth=auth).status_code == 401
    bearer = {"authorization": f"Bearer {KEY}"}
    answer = httpx.post(f"{web_ui.base_url}{PATH}txt2img", json=GOOD, headers=bearer)
    assert answer.status_code == 401


def test_an_unknown_checkpoint_is_left_aside_without_a_word(web_ui: httpx.Client) -> None:
    models = {}
    for name in ("sd_xl_base_1.0", "sd_xl_base_1.0.safetensors [31e35c80fc]", "no-such-one"):
        settings = {"override_settings": {"sd_model_checkpoint": name}}
        answer = web_ui.post(f"{PATH}txt2img", json=GOOD | settings)
        models[name] = info_of(answer)["sd_model_name"]

    assert list(models.values()) == ["sd_xl_base_1.0", "sd_xl_base_1.0", "v1-5-pruned-emaonly"]


def test_an_unknown_lora_is_left_aside_without_a_word(web_ui: httpx.Client) -> None:
    answer = web_ui.post(f"{PATH}txt2img", json=GOOD | {"prompt": "<lora:mugs:1> <lora:none:1>"})

    assert info_of(answer)["infotexts"] == ["Lora: mugs"]


def test_the_maps_of_guides_come_behind_the_images(
    web_ui: httpx.Client, simulator: SimulatorProcess, picture: Callable[..., bytes]
) -> None:
    guide = base64.b64encode(picture(64, 64)).decode()
    unit = {"enabled": True, "image": guide, "model": "depth"}
    scripts = {"alwayson_scripts": {"controlnet": {"args": [unit]}}}
    answer = web_ui.post(f"{PATH}txt2img", json=GOOD | scripts | {"n_iter": 2})

    assert answer.json()["images"][2:] == [guide]
    assert info_of(answer)["all_seeds"] == [3, 4]
    assert simulator.bill()["images"] == 2
