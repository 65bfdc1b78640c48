"""Stability's v2beta API as the simulator speaks it: what it refuses, and what it gives."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from PIL import Image

from imagegen_app.testing.simulator.protocols.stability_endpoints import ENDPOINTS
from tests.testing.conftest import KEY, Caller

JSON = {"accept": "application/json"}
GOOD = {"prompt": "a mug", "output_format": "png"}


def sent(
    caller: Caller, name: str, fields: dict[str, str], files: dict[str, bytes] | None = None
) -> httpx.Response:
    """Call an endpoint by a form, as this API wants it."""
    parts: dict[str, Any] = {key: (None, value) for key, value in fields.items()}
    parts |= {key: (f"{key}.png", data, "image/png") for key, data in (files or {}).items()}
    return caller.post(f"/v2beta/stable-image/{name}", files=parts, headers=JSON)


@pytest.mark.parametrize(
    ("name", "changes", "status"),
    [
        ("generate/core", {"prompt": ""}, 400),
        ("generate/core", {"prompt": "x" * 10_001}, 400),
        ("generate/core", {"prompt": "\u732b"}, 422),
        ("generate/core", {"aspect_ratio": "7:5"}, 400),
        ("generate/core", {"seed": "4294967295"}, 400),
        ("generate/core", {"seed": "1.5"}, 400),
        ("generate/core", {"style_preset": "baroque"}, 400),
        ("generate/core", {"steps": "30"}, 400),
        ("generate/core", {"output_format": "gif"}, 400),
        ("generate/core", {"cfg_scale": "5"}, 400),
        ("generate/sd3", {"model": "sd3.6-huge"}, 400),
        ("generate/sd3", {"output_format": "webp"}, 400),
        ("generate/sd3", {"cfg_scale": "11"}, 400),
        ("edit/inpaint", {}, 400),
        ("generate/nano", {}, 404),
    ],
)
def test_what_the_real_one_refuses_is_refused_and_not_billed(
    caller: Caller, name: str, changes: dict[str, str], status: int
) -> None:
    answer = sent(caller, name, GOOD | changes)

    assert answer.status_code == status
    assert set(answer.json()) == {"id", "name", "errors"}
    assert caller.simulator.bill()["images"] == 0


def test_images_are_checked_like_the_real_one(
    caller: Caller, picture: Callable[..., bytes]
) -> None:
    image = picture()
    wrong: dict[str, tuple[str, dict[str, str], dict[str, bytes]]] = {
        "too small": ("edit/inpaint", GOOD, {"image": picture(40, 200)}),
        "too long": ("edit/inpaint", GOOD, {"image": picture(64, 200)}),
        "no picture": ("edit/inpaint", GOOD, {"image": b"GIF89a"}),
        "no direction": ("edit/outpaint", GOOD, {"image": image}),
        "top": ("edit/outpaint", GOOD | {"top": "64"}, {"image": image}),
        "too wide": ("edit/outpaint", GOOD | {"left": "2001"}, {"image": image}),
        "grown too far": ("edit/erase", {"grow_mask": "21"}, {"image": image}),
        "jpeg without a background": (
            "edit/remove-background",
            {"output_format": "jpeg"},
            {"image": image},
        ),
        "nothing to search": ("edit/search-and-replace", GOOD, {"image": image}),
        "no strength": ("generate/ultra", GOOD, {"image": image}),
        "creativity": ("upscale/conservative", GOOD | {"creativity": "0.9"}, {"image": image}),
        "unknown file": ("upscale/fast", {}, {"image": image, "mask": image}),
    }

    answers = {name: sent(caller, *call).status_code for name, call in wrong.items()}

    assert answers == dict.fromkeys(wrong, 400)


def test_a_form_is_wanted_whatever_is_in_it(caller: Caller) -> None:
    path = "/v2beta/stable-image/generate/core"

    assert caller.post(path, json=GOOD, headers=JSON).status_code == 400
    assert caller.post(path, data=GOOD, headers=JSON).status_code == 400
    assert (
        caller.post(
            path, files={"prompt": (None, "x")}, headers={"accept": "text/html"}
        ).status_code
        == 400
    )


def test_a_large_body_is_refused(caller: Caller) -> None:
    answer = sent(caller, "upscale/fast", {}, {"image": b"\x89PNG" + bytes(10 * 1024 * 1024)})

    assert (answer.status_code, answer.json()["name"]) == (413, "payload_too_large")


#: What each endpoint needs beside its images.
_NEEDS = {
    "edit/outpaint": {"left": "64"},
    "edit/search-and-replace": {"search_prompt": "a cup"},
    "edit/search-and-recolor": {"select_prompt": "a cup"},
    "edit/replace-background-and-relight": {"background_prompt": "a beach"},
}


@pytest.mark.parametrize("name", sorted(ENDPOINTS))
def test_every_endpoint_gives_an_image(
    caller: Caller, picture: Callable[..., bytes], name: str
) -> None:
    endpoint = ENDPOINTS[name]
    fields = {"prompt": "a mug"} if "prompt" in endpoint.required else {}
    fields |= _NEEDS.get(name, {})
    answer = sent(caller, name, fields, {file: picture() for file in endpoint.files})

    assert answer.status_code == 200, answer.text
    if endpoint.is_job:
        answer = _result(caller, answer.json()["id"])
    assert answer.headers["content-type"] == "application/json; type=image/png"
    document = answer.json()
    assert document["finish_reason"] == "SUCCESS"
    image = Image.open(io.BytesIO(base64.b64decode(document["image"])))
    assert image.format == "PNG"
    if name == "edit/outpaint":
        assert image.size == (160, 96)


def _result(caller: Caller, job_id: str) -> httpx.Response:
    for _ in range(6_000):
        answer = caller.get(f"/v2beta/results/{job_id}", headers=JSON)
        if answer.status_code != 202:
            return answer
    raise AssertionError("the job never ended")


def test_a_job_is_in_progress_until_it_ends_and_belongs_to_its_key(
    caller: Caller, picture: Callable[..., bytes]
) -> None:
    caller.simulator.script(hold_jobs=True)
    job_id = sent(caller, "upscale/creative", GOOD, {"image": picture()}).json()["id"]

    answer = caller.get(f"/v2beta/results/{job_id}", headers=JSON)
    unknown = caller.get(f"/v2beta/results/{'0' * 64}", headers=JSON)

    assert (answer.status_code, answer.json()) == (202, {"id": job_id, "status": "in-progress"})
    assert len(job_id) == 64
    assert (unknown.status_code, unknown.json()["name"]) == (404, "generation_not_found")


def test_bytes_come_with_their_reason_and_seed_in_headers(caller: Caller) -> None:
    parts = {"prompt": (None, "a mug"), "seed": (None, "7"), "aspect_ratio": (None, "16:9")}

    answer = caller.post(
        "/v2beta/stable-image/generate/core", files=parts, headers={"accept": "image/*"}
    )

    assert (answer.headers["finish-reason"], answer.headers["seed"]) == ("SUCCESS", "7")
    assert Image.open(io.BytesIO(answer.content)).size == (1344, 768)


def test_blocks_come_as_403_or_as_a_filtered_image_that_is_not_charged(caller: Caller) -> None:
    caller.simulator.fail("moderation_block")
    before = sent(caller, "generate/core", GOOD)
    caller.simulator.fail("output_block")
    after = sent(caller, "generate/core", GOOD)

    assert (before.status_code, before.json()["name"]) == (403, "content_moderation")
    assert (after.status_code, after.json()["finish_reason"]) == (200, "CONTENT_FILTERED")
    assert caller.simulator.bill()["images"] == 0


def test_errors_repeat_key_and_prompt_and_have_this_apis_names(caller: Caller) -> None:
    caller.simulator.fail("status", status=429)
    limited = sent(caller, "generate/core", GOOD).json()
    caller.simulator.fail("quota")
    poor = sent(caller, "generate/core", GOOD)

    assert (limited["id"], limited["name"]) == ("rate_limit_exceeded",) * 2
    assert poor.status_code == 402
    assert KEY in poor.json()["errors"][0]
    assert "a mug" in poor.json()["errors"][0]
