"""Azure OpenAI as the simulator speaks it, called by OpenAI's own client and by plain HTTP."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.testing.conftest import KEY, Caller
from tests.testing.test_official_clients import client_module

VERSION = "2025-04-01-preview"
GOOD: dict[str, Any] = {"model": "studio-images", "prompt": "a mug", "size": "1024x1024"}


@pytest.fixture
def azure(simulator: SimulatorProcess) -> Callable[..., Any]:
    module = client_module("openai")

    def make(**options: Any) -> Any:
        options.setdefault("api_key", KEY)
        return module.AzureOpenAI(
            azure_endpoint=simulator.base_url, api_version=VERSION, max_retries=0, **options
        )

    return make


@pytest.mark.parametrize("options", [{}, {"api_key": None, "azure_ad_token": KEY}])
def test_the_azure_client_gets_images(
    azure: Callable[..., Any], simulator: SimulatorProcess, options: dict[str, Any]
) -> None:
    answer = azure(**options).images.generate(
        model="gpt-image-2", prompt="a mug", n=2, size="1536x864", output_format="webp"
    )

    images = [Image.open(io.BytesIO(base64.b64decode(one.b64_json))) for one in answer.data]
    assert [(image.format, image.size) for image in images] == [("WEBP", (1536, 864))] * 2
    assert simulator.bill()["images"] == 2


def test_the_azure_client_edits_with_a_mask(
    azure: Callable[..., Any], picture: Callable[..., bytes]
) -> None:
    answer = azure().images.edit(
        model="studio-images",
        image=("a.png", picture(1024, 1024), "image/png"),
        mask=("m.png", picture(1024, 1024, mode="RGBA"), "image/png"),
        prompt="a mug",
        size="1024x1024",
    )

    assert answer.data[0].b64_json


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"model": "dall-e-3"}, "NotFoundError", "DeploymentNotFound"),
        # Its own name is no name of OpenAI's, which the client sends in the body nevertheless.
        ({"model": "studio-images"}, "BadRequestError", "invalid_value"),
        ({"size": "1000x1000"}, "BadRequestError", "invalid_value"),
        ({"quality": "ultra"}, "BadRequestError", "invalid_value"),
        ({"prompt": ""}, "BadRequestError", "missing_required_parameter"),
        ({"extra_body": {"colour": "red"}}, "BadRequestError", "unknown_parameter"),
        ({"background": "transparent", "output_format": "jpeg"}, "BadRequestError", None),
    ],
)
def test_the_azure_client_is_refused_as_by_the_real_one(
    azure: Callable[..., Any],
    simulator: SimulatorProcess,
    changes: dict[str, Any],
    error: str,
    code: str | None,
) -> None:
    values = {"model": "gpt-image-2", "prompt": "a mug", "size": "1024x1024", **changes}
    with pytest.raises(getattr(client_module("openai"), error)) as caught:
        azure().images.generate(**values)

    assert code in {None, caught.value.code}
    assert simulator.bill()["images"] == 0


@pytest.mark.parametrize(
    ("path", "changes", "status"),
    [
        ("v1/images/generations", {}, 200),
        ("v1/images/generations?api-version=preview", {}, 200),
        ("v1/images/generations?api-version=2025-04-01-preview", {}, 400),
        ("v1/images/generations", {"model": "gpt-image-2.6-flare"}, 404),
        ("v1/images/generations", {"model": None}, 404),
        ("v1/images/generations", {"safety_identifier": "h:1"}, 400),
        ("v1/images/variations", {}, 404),
        (f"deployments/studio-images/images/generations?api-version={VERSION}", {}, 400),
        (
            f"deployments/studio-images/images/generations?api-version={VERSION}",
            {"model": None},
            200,
        ),
        ("deployments/studio-images/images/generations", {"model": None}, 404),
        (f"deployments/other/images/generations?api-version={VERSION}", {"model": None}, 404),
        (
            f"deployments/studio-images/images/generations?api-version={VERSION}x",
            {"model": None},
            404,
        ),
    ],
)
def test_paths_versions_and_deployments_are_checked(
    caller: Caller, path: str, changes: dict[str, Any], status: int
) -> None:
    body = {name: value for name, value in (GOOD | changes).items() if value is not None}
    answer = caller.post(f"/openai/{path}", json=body)

    assert answer.status_code == status
    assert answer.headers["apim-request-id"]
    assert caller.simulator.bill()["images"] == (status == 200)


def test_a_wrong_key_is_refused_in_either_header(caller: Caller) -> None:
    for headers in ({"authorization": "Bearer no"}, {"api-key": "no", "authorization": ""}):
        answer = caller.post("/openai/v1/images/generations", json=GOOD, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "401")


def test_a_block_names_its_categories_in_the_inner_error(caller: Caller) -> None:
    caller.simulator.fail("moderation_block", categories=["violence"])
    answer = caller.post("/openai/v1/images/generations", json=GOOD)
    error = answer.json()["error"]

    assert (answer.status_code, error["code"]) == (400, "content_policy_violation")
    results = error["inner_error"]["content_filter_results"]
    assert [name for name, found in results.items() if found["filtered"]] == ["violence"]
