"""OpenAI's own client against the chat API of the simulator, and its check of provenance."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.testing.conftest import KEY
from tests.testing.test_official_clients import client_module


@pytest.fixture
def openai(simulator: SimulatorProcess) -> Iterator[Any]:
    module = client_module("openai")
    client = module.OpenAI(api_key=KEY, base_url=simulator.openai_url, max_retries=0)
    yield client
    client.close()


def test_the_openai_client_has_an_image_described(
    openai: Any, simulator: SimulatorProcess, picture: Callable[..., bytes]
) -> None:
    data = picture(160, 90, colour=(50, 90, 190), kind="JPEG")
    url = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"

    answer = openai.chat.completions.create(
        model="gpt-5.4-mini",
        max_completion_tokens=100,
        messages=[
            {"role": "system", "content": "Describe images."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": url, "detail": "low"}},
                ],
            },
        ],
    )

    assert "wide picture in shades of blue" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens > 255
    assert simulator.received()[0].data == data


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"model": "gpt-0"}, "NotFoundError", "model_not_found"),
        ({"messages": []}, "BadRequestError", "missing_required_parameter"),
        ({"extra_body": {"max_image": 1}}, "BadRequestError", "unknown_parameter"),
        ({"max_tokens": 5}, "BadRequestError", "invalid_parameter_combination"),
        ({"response_format": {"type": "json_object"}}, "BadRequestError", "invalid_value"),
    ],
)
def test_the_openai_client_is_told_what_is_wrong_with_a_chat(
    openai: Any, changes: dict[str, Any], error: str, code: str
) -> None:
    usual: dict[str, Any] = {
        "model": "gpt-5.4-mini",
        "max_completion_tokens": 100,
        "messages": [{"role": "user", "content": "Hello"}],
    }

    with pytest.raises(getattr(client_module("openai"), error)) as refused:
        openai.chat.completions.create(**{**usual, **changes})

    assert refused.value.code == code


def test_the_openai_client_sees_a_refusal(openai: Any, simulator: SimulatorProcess) -> None:
    simulator.fail("chat_refusal", on="chat")

    answer = openai.chat.completions.create(
        model="gpt-5.4-mini", messages=[{"role": "user", "content": "Hello"}]
    )

    assert answer.choices[0].message.content is None
    assert answer.choices[0].message.refusal


def test_the_openai_client_checks_the_provenance_of_a_file(
    openai: Any, simulator: SimulatorProcess, picture: Callable[..., bytes]
) -> None:
    simulator.script(faults=[{"kind": "no_marks", "on": "marks", "times": 1}])
    file = ("image.png", picture(), "image/png")

    without = openai.content_provenance_checks.create(file=file)
    marked = openai.content_provenance_checks.create(file=file)

    assert [one.outcome for one in without.results] == ["not_detected", "not_detected"]
    assert [(one.type, one.outcome) for one in marked.results] == [
        ("c2pa", "not_detected"),
        ("synthid", "detected"),
    ]
