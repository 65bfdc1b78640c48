"""Ideogram's API as the simulator speaks it: what it refuses, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.testing.conftest import KEY

V3, V4 = "/v1/ideogram-v3/generate", "/v2/image/generate/ideogram-4-5"
INPAINT, PRECISE = "/v1/ideogram-v3/inpaint", "/v2/image/precise-edit/ideogram-4-5"
GOOD = {"prompt": "a mug"}


@pytest.fixture
def ideogram(simulator: SimulatorProcess) -> Iterator[httpx.Client]:
    headers = {"api-key": KEY}
    with httpx.Client(base_url=simulator.base_url, headers=headers, trust_env=False) as http:
        yield http


def sent(
    http: httpx.Client, path: str, fields: dict[str, str], files: dict[str, bytes] | None = None
) -> httpx.Response:
    """Call an endpoint by a form, as this API wants it."""
    parts: dict[str, Any] = {key: (None, value) for key, value in fields.items()}
    parts |= {key: (f"{key}.png", data, "image/png") for key, data in (files or {}).items()}
    return http.post(path, files=parts)


@pytest.mark.parametrize(
    ("path", "changes", "status"),
    [
        (V3, {"prompt": ""}, 400),
        (V3, {"prompt": "x" * 10_001}, 400),
        (V3, {"num_images": "9"}, 400),
        (V3, {"seed": "2147483648"}, 400),
        (V3, {"resolution": "1000x1000"}, 400),
        (V3, {"resolution": "2048x2048"}, 400),
        (V3, {"size": "1024x1024"}, 400),
        (V3, {"magic_prompt": "off"}, 400),
        (V3, {"rendering_speed": "low"}, 400),
        (V3, {"steps": "20"}, 400),
        (V4, {"magic_prompt": "OFF"}, 400),
        (V4, {"quality": "very_low"}, 400),
        (V4, {"quality": "TURBO"}, 400),
        (V4, {"size": "512x1536"}, 400),
        (V4, {"negative_prompt": "fog"}, 400),
        (V4, {"webhook_url": "http://example.org/hook"}, 400),
        (V3, {"prompt": "simulate-blocked"}, 422),
        ("/v2/image/generate/ideogram-9", {}, 404),
    ],
)
def test_what_the_real_one_refuses_is_refused_and_not_billed(
    ideogram: httpx.Client,
    simulator: SimulatorProcess,
    path: str,
    changes: dict[str, str],
    status: int,
) -> None:
    answer = sent(ideogram, path, GOOD | changes)

    assert answer.status_code == status
    assert "error" in answer.json()
    assert simulator.bill()["images"] == 0


def test_images_and_masks_are_checked(
    ideogram: httpx.Client, picture: Callable[..., bytes]
) -> None:
    image, white = picture(), picture(mode="L", colour=255)
    wrong: dict[str, tuple[str, dict[str, bytes]]] = {
        "no image": (PRECISE, {}),
        "no mask": (INPAINT, {"image": image}),
        "no picture": (PRECISE, {"image": b"GIF89a"}),
        "a mask of another size": (PRECISE, {"image": image, "mask": picture(32, 32, mode="L")}),
        "a white mask": (PRECISE, {"image": image, "mask": white}),
        "a black mask": (PRECISE, {"image": image, "mask": picture(mode="L")}),
        "an image to generate": (V4, {"images": image}),
    }

    found = {what: sent(ideogram, path, GOOD, files) for what, (path, files) in wrong.items()}

    assert {what: answer.status_code for what, answer in found.items()} == dict.fromkeys(wrong, 400)


def test_the_key_goes_into_a_header_of_its_own(ideogram: httpx.Client) -> None:
    del ideogram.headers["api-key"]
    ideogram.headers["authorization"] = f"Bearer {KEY}"

    assert sent(ideogram, V3, GOOD).status_code == 401


def test_a_call_waits_or_becomes_a_job(ideogram: httpx.Client) -> None:
    at_once = sent(ideogram, V4, GOOD).json()
    job = sent(ideogram, V4, GOOD | {"async": "true"}).json()

    assert at_once["data"][0]["is_image_safe"] is True
    assert "data" not in job
    shown = ideogram.get(f"/v2/generations/{job['generation_id']}").json()
    assert shown["status"] in {"pending", "completed"}
    assert ideogram.get("/v2/generations/none").status_code == 404
