"""fal's queue as the simulator speaks it: what it refuses, and when."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.testing.conftest import KEY

FLUX, INPAINT = "/fal-ai/flux/dev", "/fal-ai/flux-general/inpainting"
GOOD = {"prompt": "a mug"}


@pytest.fixture
def fal(simulator: SimulatorProcess) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Key {KEY}"}
    with httpx.Client(base_url=simulator.base_url, headers=headers, trust_env=False) as http:
        yield http


def data_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def result(http: httpx.Client, path: str, document: dict[str, Any]) -> httpx.Response:
    """Submit a request, and return what comes in place of its result once it has ended."""
    taken = http.post(path, json=document)
    assert taken.status_code == 200
    for _ in range(6_000):
        status = http.get(taken.json()["status_url"])
        if status.json()["status"] == "COMPLETED":
            return http.get(taken.json()["response_url"])
        assert status.status_code == 202
        time.sleep(0.01)
    raise AssertionError("the request never ended")


@pytest.mark.parametrize(
    ("changes", "field", "kind"),
    [
        ({"prompt": 3}, "prompt", "value_error"),
        ({"steps": 20}, "steps", "extra_forbidden"),
        ({"num_images": 5}, "num_images", "value_error"),
        ({"num_images": "2"}, "num_images", "value_error"),
        ({"seed": 1.5}, "seed", "value_error"),
        ({"guidance_scale": 21}, "guidance_scale", "value_error"),
        ({"output_format": "webp"}, "output_format", "value_error"),
        ({"image_size": "512x512"}, "image_size", "value_error"),
        ({"image_size": {"width": 512}}, "image_size", "value_error"),
        ({"image_size": {"width": 0, "height": 512}}, "image_size", "value_error"),
    ],
)
def test_an_endpoint_refuses_what_does_not_fit_when_its_turn_comes(
    fal: httpx.Client,
    simulator: SimulatorProcess,
    changes: dict[str, Any],
    field: str,
    kind: str,
) -> None:
    answer = result(fal, FLUX, GOOD | changes)

    assert answer.status_code == 422
    (problem,) = answer.json()["detail"]
    assert (problem["loc"], problem["type"]) == (["body", field], kind)
    assert simulator.bill()["images"] == 0


def test_masks_are_checked_by_the_endpoint(
    fal: httpx.Client, picture: Callable[..., bytes]
) -> None:
    image, ideogram = data_url(picture()), "/fal-ai/ideogram/v3/edit"
    wrong: dict[str, tuple[str, dict[str, str]]] = {
        "missing": (INPAINT, {}),
        "another size": (INPAINT, {"mask_url": data_url(picture(32, 32, mode="L"))}),
        "no image": (INPAINT, {"mask_url": data_url(b"GIF89a")}),
        "an address": (INPAINT, {"mask_url": "https://example.org/mask.png"}),
        "black all over": (ideogram, {"mask_url": data_url(picture(mode="L"))}),
    }

    found = {
        what: result(fal, path, GOOD | {"image_url": image} | more).status_code
        for what, (path, more) in wrong.items()
    }

    assert found == dict.fromkeys(wrong, 422)


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        ({"authorization": f"Bearer {KEY}"}, FLUX, 401),
        ({"authorization": ""}, FLUX, 401),
        ({}, "/fal-ai/no-such-app", 404),
        ({"x-fal-store-io": "no"}, FLUX, 400),
        ({"x-fal-queue-priority": "high"}, FLUX, 400),
        ({"x-fal-object-lifecycle-preference": "3600"}, FLUX, 400),
        ({}, f"{FLUX}?fal_webhook=http%3A%2F%2Fexample.org", 400),
    ],
)
def test_the_queue_refuses_at_once_what_it_can_tell(
    fal: httpx.Client, headers: dict[str, str], path: str, status: int
) -> None:
    answer = fal.post(path, json=GOOD, headers=headers)

    assert answer.status_code == status
    assert isinstance(answer.json()["detail"], str)


def test_a_request_belongs_to_its_app(fal: httpx.Client) -> None:
    taken = fal.post(FLUX, json=GOOD).json()
    elsewhere = taken["status_url"].replace("/fal-ai/flux/", "/fal-ai/birefnet/")

    assert fal.get(elsewhere).status_code == 404
    assert fal.get(taken["status_url"].replace(taken["request_id"], "none")).status_code == 404
