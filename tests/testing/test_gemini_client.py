"""Google's own client against the simulator: images, refusals, blocks and waits."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image

from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.testing.conftest import KEY
from tests.testing.test_official_clients import client_module


@pytest.fixture
def genai(simulator: SimulatorProcess) -> Iterator[Any]:
    module, types = client_module("google.genai"), client_module("google.genai.types")
    options = types.HttpOptions(base_url=f"{simulator.base_url}/gemini", api_version="v1")
    client = module.Client(api_key=KEY, http_options=options)
    yield client
    client.close()


def gemini_images(client: Any, **changes: Any) -> Any:
    config = {"response_modalities": ["IMAGE"], **changes.pop("config", {})}
    asked = {"model": "gemini-3-pro-image", "contents": ["a mug"], **changes}
    return client.models.generate_content(**asked, config=config)


def test_the_gemini_client_gets_an_image_after_its_drafts(
    genai: Any, simulator: SimulatorProcess, picture: Callable[..., bytes]
) -> None:
    part = client_module("google.genai.types").Part
    sent = part.from_bytes(data=picture(), mime_type="image/png")

    answer = gemini_images(
        genai,
        contents=["a mug", sent],
        config={
            "image_config": {"aspect_ratio": "16:9", "image_size": "2K"},
            "seed": 7,
            "safety_settings": [
                {"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_ONLY_HIGH"}
            ],
        },
    )

    shown = [p for p in answer.candidates[0].content.parts if p.inline_data and not p.thought]
    image = Image.open(io.BytesIO(shown[-1].inline_data.data))
    assert (image.format, image.size) == ("JPEG", (2720, 1536))
    assert answer.candidates[0].finish_reason == "STOP"
    assert answer.usage_metadata.total_token_count > 0
    assert answer.response_id
    assert simulator.received()[0].data == picture()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"model": "gemini-9-image"}, 404),
        ({"contents": [" "]}, 400),
        ({"config": {"response_modalities": ["TEXT"]}}, 400),
        ({"config": {"candidate_count": 3}}, 400),
        ({"config": {"seed": 2**31}}, 400),
        ({"config": {"image_config": {"aspect_ratio": "7:5"}}}, 400),
        ({"config": {"image_config": {"image_size": "8K"}}}, 400),
    ],
)
def test_the_gemini_client_is_refused_as_by_the_real_one(
    genai: Any, simulator: SimulatorProcess, changes: dict[str, Any], code: int
) -> None:
    with pytest.raises(client_module("google.genai.errors").ClientError) as caught:
        gemini_images(genai, **changes)

    assert caught.value.code == code
    assert simulator.bill()["images"] == 0


def test_the_gemini_client_sees_a_block_and_a_wait(genai: Any, simulator: SimulatorProcess) -> None:
    simulator.fail("moderation_block")
    blocked = gemini_images(genai)
    simulator.fail("status", status=429, retry_after="7")
    with pytest.raises(client_module("google.genai.errors").ClientError) as caught:
        gemini_images(genai)

    assert blocked.prompt_feedback.block_reason == "PROHIBITED_CONTENT"
    assert caught.value.status == "RESOURCE_EXHAUSTED"
    assert caught.value.details["error"]["details"][0]["retryDelay"] == "7s"


def test_the_vertex_client_gets_an_image_in_the_format_that_it_asks_for(
    simulator: SimulatorProcess,
) -> None:
    module, types = client_module("google.genai"), client_module("google.genai.types")
    token = client_module("google.oauth2.credentials").Credentials(KEY)
    options = types.HttpOptions(base_url=f"{simulator.base_url}/gemini", api_version="v1")
    client = module.Client(
        vertexai=True, project="p", location="global", credentials=token, http_options=options
    )

    chosen = {"aspect_ratio": "3:4", "output_mime_type": "image/webp", "image_size": "1K"}
    answer = gemini_images(client, config={"image_config": chosen})
    client.close()

    data = answer.candidates[0].content.parts[-1].inline_data.data
    assert Image.open(io.BytesIO(data)).format == "WEBP"
