"""Replicate's API as the simulator speaks it: what it refuses, and what it gives."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from tests.testing.conftest import KEY, Caller

FLUX = "/v1/models/black-forest-labs/flux-2-pro/predictions"
FILL = "/v1/models/black-forest-labs/flux-fill-pro/predictions"
SDXL = "7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc"


def data_url(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "input is required"),
        ({"input": {}}, "prompt is required"),
        ({"input": {"prompt": ""}}, "input.prompt"),
        ({"input": {"prompt": 3}}, "input.prompt: Invalid type"),
        ({"input": {"prompt": "a", "steps": 3}}, "steps is not allowed"),
        ({"input": {"prompt": "a", "aspect_ratio": "7:5"}}, "input.aspect_ratio"),
        ({"input": {"prompt": "a", "seed": "7"}}, "input.seed: Invalid type"),
        ({"input": {"prompt": "a", "seed": True}}, "input.seed: Invalid type"),
        ({"input": {"prompt": "a", "safety_tolerance": 6}}, "Must be less than or equal to 5"),
        ({"input": {"prompt": "a", "input_images": ["x"] * 9}}, "at most 8"),
        ({"input": {"prompt": "a", "input_images": ["x"]}}, "format 'uri'"),
        ({"input": {"prompt": "a"}, "version": "x"}, "version is not allowed"),
        ({"input": {"prompt": "a"}, "webhook": "http://example.com/"}, "HTTPS"),
        ({"input": {"prompt": "a"}, "webhook_events_filter": ["end"]}, "unknown event"),
    ],
)
def test_what_the_real_one_refuses_is_refused_and_not_billed(
    caller: Caller, body: dict[str, Any], detail: str
) -> None:
    answer = caller.post(FLUX, json=body)

    assert (answer.status_code, answer.json()["status"]) == (422, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert detail in answer.json()["detail"]
    assert caller.simulator.bill()["images"] == 0


def test_unknown_names_and_versions_are_refused(caller: Caller) -> None:
    body = {"input": {"prompt": "a"}}

    assert caller.post("/v1/models/nobody/nothing/predictions", json=body).status_code == 404
    assert caller.post("/v1/predictions", json=body | {"version": "0" * 64}).status_code == 422
    assert caller.get("/v1/predictions/unknown").status_code == 404
    assert caller.get("/v1/models/nobody/nothing").status_code == 404


@pytest.mark.parametrize(
    "headers", [{"prefer": "wait=0"}, {"prefer": "wait=61"}, {"cancel-after": "4s"}]
)
def test_headers_that_it_does_not_take_are_refused(caller: Caller, headers: dict[str, str]) -> None:
    answer = caller.post(FLUX, json={"input": {"prompt": "a"}}, headers=headers)

    assert answer.status_code == 400


def test_a_prediction_is_waited_for_and_its_output_is_served(caller: Caller) -> None:
    body = {"input": {"prompt": "a mug", "aspect_ratio": "16:9", "output_format": "webp"}}

    made = caller.post(FLUX, json=body, headers={"prefer": "wait=5", "cancel-after": "5m"})

    document = made.json()
    assert (made.status_code, document["status"]) == (201, "succeeded")
    assert document["version"] == "hidden"
    image = Image.open(io.BytesIO(caller.http.get(document["output"]).content))
    assert (image.format, image.size) == ("WEBP", (1360, 768))
    assert caller.get(f"/v1/predictions/{document['id']}").json()["input"] == body["input"]


def test_a_version_gives_a_list_of_images(caller: Caller) -> None:
    inputs = {"prompt": "a mug", "num_outputs": 2, "width": 64, "height": 64}
    for version in (SDXL, f"stability-ai/sdxl:{SDXL}"):
        made = caller.post(
            "/v1/predictions",
            json={"version": version, "input": inputs},
            headers={"prefer": "wait"},
        )

        assert len(made.json()["output"]) == 2
        assert made.json()["version"] == SDXL


def test_inputs_are_data_urls_or_uploads_and_a_mask_is_as_large_as_the_image(
    caller: Caller, picture: Callable[..., bytes]
) -> None:
    upload = caller.post("/v1/files", files={"content": picture()}).json()["urls"]["get"]
    wait = {"prefer": "wait"}

    def fill(mask: bytes, image: str) -> dict[str, Any]:
        body = {"input": {"prompt": "a", "image": image, "mask": data_url(mask)}}
        document: dict[str, Any] = caller.post(FILL, json=body, headers=wait).json()
        return document

    assert fill(picture(mode="L", colour=255), upload)["status"] == "succeeded"
    failed = fill(picture(64, 64, mode="L"), data_url(picture()))
    assert failed["status"] == "failed"
    assert "mask" in failed["error"]
    large = {"prompt": "a", "image": "data:image/png;base64," + "A" * 262_144}
    assert caller.post(FILL, json={"input": large}).status_code == 422
    received = next(image for image in caller.simulator.received() if image.role == "mask")
    assert Image.open(io.BytesIO(received.area)).getextrema() == (255, 255)


def test_a_mask_of_a_model_that_changes_black_is_read_the_other_way(
    caller: Caller, picture: Callable[..., bytes]
) -> None:
    mask = data_url(picture(mode="L", colour=0))
    body = {"input": {"prompt": "a", "image": data_url(picture()), "mask": mask}}

    caller.post("/v1/models/ideogram-ai/ideogram-v3-turbo/predictions", json=body)

    area = caller.simulator.received()[-1].area
    assert Image.open(io.BytesIO(area)).getextrema() == (255, 255)


def test_a_prediction_is_cancelled_only_while_it_runs(caller: Caller) -> None:
    caller.simulator.script(hold_jobs=True)
    held = caller.post(FLUX, json={"input": {"prompt": "a"}}).json()
    done = caller.post(f"/v1/predictions/{held['id']}/cancel").json()
    caller.simulator.script(hold_jobs=False)
    ended = caller.post(FLUX, json={"input": {"prompt": "a"}}, headers={"prefer": "wait"}).json()
    late = caller.post(f"/v1/predictions/{ended['id']}/cancel").json()

    assert (held["status"], done["status"], late["status"]) == ("starting", "canceled", "succeeded")


@pytest.mark.parametrize("kind", ["moderation_block", "output_block"])
def test_a_block_is_a_prediction_that_failed(caller: Caller, kind: str) -> None:
    caller.simulator.fail(kind)

    made = caller.post(FLUX, json={"input": {"prompt": "a"}}, headers={"prefer": "wait"}).json()

    assert made["status"] == "failed"
    assert "flagged as sensitive" in made["error"] or "NSFW" in made["error"]


def test_errors_repeat_key_and_prompt_and_have_this_apis_titles(caller: Caller) -> None:
    body = {"input": {"prompt": "a mug"}}
    caller.simulator.fail("quota")
    poor = caller.post(FLUX, json=body).json()
    caller.simulator.fail("status", status=429)
    limited = caller.post(FLUX, json=body)

    assert (poor["status"], poor["title"]) == (402, "Insufficient credit")
    assert KEY in poor["detail"]
    assert "a mug" in poor["detail"]
    assert "resets in ~30s" in limited.json()["detail"]
    assert "retry-after" not in limited.headers


def test_a_model_says_what_it_takes(caller: Caller) -> None:
    model = caller.get("/v1/models/black-forest-labs/flux-2-pro").json()

    schema = model["latest_version"]["openapi_schema"]["components"]["schemas"]["Input"]
    assert "input_images" in schema["properties"]
    assert schema["required"] == ["prompt"]
    assert caller.get("/v1/account").json()["username"] == "simulator"
    secret = caller.get("/v1/webhooks/default/secret").json()["key"]
    assert secret == caller.simulator.webhook_secret
