"""OpenAI's own client against the simulated moderation: its author did not write its requests."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.testing.conftest import KEY
from tests.testing.test_official_clients import client_module


@pytest.fixture
def openai(simulator: SimulatorProcess) -> Iterator[Any]:
    module = client_module("openai")
    client = module.OpenAI(api_key=KEY, base_url=simulator.openai_url, max_retries=0)
    yield client
    client.close()


def test_the_openai_client_gets_moderation_results(
    openai: Any, simulator: SimulatorProcess
) -> None:
    texts = openai.moderations.create(
        model="omni-moderation-2024-09-26", input=["a red mug", "simulate-violence"]
    )
    picture = io.BytesIO()
    Image.new("RGB", (32, 32), (255, 0, 0)).save(picture, "PNG")
    address = "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode()
    both = openai.moderations.create(
        model="omni-moderation-latest",
        input=[
            {"type": "text", "text": "simulate-minors"},
            {"type": "image_url", "image_url": {"url": address}},
        ],
    )

    assert [result.flagged for result in texts.results] == [False, True]
    assert texts.results[1].category_scores.violence == 0.97
    (result,) = both.results
    assert both.model == "omni-moderation-2024-09-26"
    assert result.categories.sexual_minors
    assert result.category_scores.violence == 0.96
    assert result.category_applied_input_types.sexual_minors == ["text"]
    assert result.category_applied_input_types.violence == ["text", "image"]


def test_the_openai_client_is_told_why_a_moderation_is_refused(openai: Any) -> None:
    module = client_module("openai")

    with pytest.raises(module.NotFoundError):
        openai.moderations.create(model="omni-moderation-9", input="a mug")
    with pytest.raises(module.BadRequestError):
        openai.moderations.create(model="omni-moderation-latest", input=[])
