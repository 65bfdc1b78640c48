"""Bedrock against the simulator: every model, its fields, and what it refuses."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from imagegen_app.core.errors import UnsupportedParameter
from imagegen_app.core.types import ControlGuide, GenerationRequest, InputRole, Operation, Size
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import HttpClient
from imagegen_app.testing.simulator.process import SimulatorProcess
from imagegen_app.testing.simulator.protocols import bedrock_models
from imagegen_app.testing.simulator.protocols.bedrock_models import MODELS
from tests.providers.bedrock_calls import (
    CONTROL,
    MASK,
    PICTURE,
    REQUEST,
    SD3,
    STYLE,
    ULTRA,
    Talk,
    altered,
    made,
    talking,
)
from tests.providers.samples import an_input, answering, http_answer, raw_server


@pytest.fixture
def provider(start_simulator: Callable[[str], SimulatorProcess]) -> SimulatorProcess:
    return start_simulator("bedrock")


@pytest.fixture
def talk(provider: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> Talk:
    return talking(provider, monkeypatch)


SERVICES = [
    (REQUEST, (1024, 1024)),
    (replace(REQUEST, size=Size(1344, 768), negative_prompt="fog"), (1344, 768)),
    (replace(REQUEST, model=ULTRA), (1024, 1024)),
    (replace(REQUEST, model=SD3, output_format="webp"), (1024, 1024)),
    (altered(Operation.EDIT, ULTRA, PICTURE), (256, 256)),
    (altered(Operation.EDIT, SD3, PICTURE, parameters={"strength": 0.2}), (256, 256)),
    (altered(Operation.INPAINT, "image-inpaint", PICTURE, MASK, seed=7), (256, 256)),
    (altered(Operation.ERASE, "image-erase-object", PICTURE, MASK, seed=7), (256, 256)),
    (
        altered(
            Operation.OUTPAINT,
            "outpaint",
            PICTURE,
            size=Size(400, 300),
            parameters={"anchor": "top", "creativity": 0.9},
        ),
        (400, 300),
    ),
    (
        altered(
            Operation.REPLACE,
            "image-search-replace",
            PICTURE,
            parameters={"search_prompt": "a mug", "grow_mask": 3, "style_preset": "anime"},
        ),
        (256, 256),
    ),
    (
        altered(
            Operation.RECOLOUR,
            "image-search-recolor",
            PICTURE,
            parameters={"select_prompt": "a mug"},
        ),
        (256, 256),
    ),
    (altered(Operation.REMOVE_BACKGROUND, "image-remove-background", PICTURE), (256, 256)),
    (altered(Operation.UPSCALE, "fast-upscale", PICTURE), (1024, 1024)),
    (altered(Operation.UPSCALE, "conservative-upscale", PICTURE), (512, 512)),
    (
        altered(Operation.UPSCALE, "creative-upscale", PICTURE, parameters={"creativity": 0.5}),
        (512, 512),
    ),
    (
        altered(
            Operation.CONTROL,
            "image-control-sketch",
            replace(CONTROL, guide=ControlGuide("sketch", weight=0.4)),
        ),
        (256, 256),
    ),
    (altered(Operation.CONTROL, "image-control-structure", CONTROL), (256, 256)),
    (
        altered(
            Operation.CONTROL,
            "image-style-guide",
            replace(CONTROL, guide=ControlGuide(weight=2.0)),
            size=Size(1024, 1024),
        ),
        (1024, 1024),
    ),
    (
        altered(
            Operation.EDIT,
            "style-transfer",
            PICTURE,
            STYLE,
            parameters={"style_strength": 0.5, "composition_fidelity": 1.0, "change_strength": 0.1},
        ),
        (256, 256),
    ),
]


@pytest.mark.parametrize(("request_", "size"), SERVICES)
def test_every_service_makes_its_image_by_one_signed_call(
    talk: Talk,
    provider: SimulatorProcess,
    answer: SpooledAnswer,
    request_: GenerationRequest,
    size: tuple[int, int],
) -> None:
    (image,) = made(talk, request_, answer).images

    assert Image.open(io.BytesIO(image.data)).size == size
    assert provider.calls() == {"POST /model/{id}/invoke": 1}
    assert provider.bill()["images"] == 1


def test_there_is_a_test_of_every_model_that_is_shown() -> None:
    shown = registry.describe("bedrock").example_models

    assert set(shown) == {request.model for request, _ in SERVICES}


#: What the adapter says by itself, of what was asked for otherwise.
_OWN_FIELDS = {
    "aspect_ratio",
    "control_strength",
    "down",
    "fidelity",
    "left",
    "mode",
    "prompt",
    "right",
    "up",
}


@pytest.mark.parametrize("model", registry.describe("bedrock").example_models)
def test_a_model_offers_just_what_its_documentation_says(model: str) -> None:
    documented = MODELS[model.removeprefix("us.")]

    offer = registry.capabilities("bedrock", model)

    offered = offer.parameters.keys() - {"anchor"}
    offered |= {"seed"} if offer.supports_seed else set()
    offered |= {"negative_prompt"} if offer.supports_negative_prompt else set()
    assert offered == {*documented.required, *documented.optional} - _OWN_FIELDS
    assert offer.supports_mask is ("mask" in documented.more_images)
    images = [*documented.images, *documented.more_images]
    assert offer.max_inputs == len([name for name in images if name != "mask"])
    assert offer.input_rule(InputRole.IMAGE).max_pixels == documented.max_pixels
    assert ("webp" in offer.output_formats) is ("output_format" not in documented.rules)
    for name in offer.parameters.keys() - {"anchor"}:
        parameter = offer.parameters[name]
        rule = documented.rules.get(name) or bedrock_models._RULES[name]
        for good in parameter.choices or filter(None, (parameter.low, parameter.high)):
            assert rule("a mug" if parameter.kind == "text" else good) == ""
        if parameter.kind in {"int", "float"}:
            assert parameter.high is not None
            assert rule(parameter.high + 1)
            assert rule((parameter.low or 0) - 1)


@pytest.mark.parametrize(
    "request_",
    [
        replace(REQUEST, size=Size(1000, 700)),
        replace(REQUEST, count=2),
        replace(REQUEST, seed=0),
        replace(REQUEST, seed=2**32 - 1),
        replace(REQUEST, output_format="webp"),
        replace(REQUEST, inputs=(PICTURE,)),
        replace(REQUEST, parameters={"style_preset": "anime"}),
        replace(REQUEST, parameters={"strength": 0.5}),
        replace(REQUEST, model=ULTRA, parameters={"strength": 0.5}),
        altered(Operation.GENERATE, "image-inpaint"),
        altered(Operation.EDIT, "image-inpaint", PICTURE),
        altered(Operation.INPAINT, "image-inpaint", PICTURE),
        altered(Operation.INPAINT, "image-inpaint", PICTURE, CONTROL, MASK),
        altered(Operation.INPAINT, "image-inpaint", PICTURE, MASK, parameters={"grow_mask": 21}),
        altered(Operation.ERASE, "image-erase-object", PICTURE, MASK, negative_prompt="fog"),
        altered(
            Operation.ERASE,
            "image-erase-object",
            PICTURE,
            MASK,
            parameters={"style_preset": "anime"},
        ),
        altered(Operation.OUTPAINT, "outpaint", PICTURE),
        altered(Operation.OUTPAINT, "outpaint", PICTURE, size=Size(4513, 256)),
        altered(
            Operation.OUTPAINT,
            "outpaint",
            PICTURE,
            size=Size(400, 300),
            parameters={"creativity": 0.05},
        ),
        altered(Operation.OUTPAINT, "outpaint", PICTURE, MASK, size=Size(400, 300)),
        altered(Operation.REMOVE_BACKGROUND, "image-remove-background", PICTURE, seed=7),
        altered(
            Operation.REMOVE_BACKGROUND, "image-remove-background", PICTURE, output_format="jpeg"
        ),
        altered(Operation.UPSCALE, "fast-upscale", PICTURE, seed=7),
        altered(Operation.UPSCALE, "fast-upscale", an_input(size=(31, 40))),
        altered(Operation.UPSCALE, "fast-upscale", an_input(size=(1537, 64))),
        altered(Operation.UPSCALE, "creative-upscale", an_input(size=(1100, 1000))),
        altered(Operation.UPSCALE, "creative-upscale", PICTURE, parameters={"creativity": 0.6}),
        altered(Operation.UPSCALE, "conservative-upscale", an_input(size=(63, 64))),
        altered(Operation.UPSCALE, "conservative-upscale", an_input(size=(64, 161))),
        altered(
            Operation.CONTROL, "image-control-sketch", replace(CONTROL, guide=ControlGuide("style"))
        ),
        altered(
            Operation.CONTROL,
            "image-control-sketch",
            replace(CONTROL, guide=ControlGuide(weight=1.5)),
        ),
        altered(
            Operation.CONTROL, "image-control-sketch", replace(CONTROL, guide=ControlGuide(end=0.5))
        ),
        altered(Operation.CONTROL, "image-style-guide", CONTROL, size=Size(1000, 700)),
        altered(Operation.EDIT, "style-transfer", PICTURE),
        altered(Operation.EDIT, "style-transfer", STYLE),
        altered(Operation.EDIT, "style-transfer", PICTURE, PICTURE),
    ],
)
def test_what_a_service_does_not_take_is_refused_before_the_call(
    talk: Talk, provider: SimulatorProcess, answer: SpooledAnswer, request_: GenerationRequest
) -> None:
    with pytest.raises(UnsupportedParameter):
        talk(lambda adapter: adapter.submit(request_, answer=answer))

    assert provider.calls() == {}


def body_of(
    request: GenerationRequest, answer: SpooledAnswer, credential: Credential
) -> tuple[dict[str, Any], bytes]:
    """Return the body of the call that a request becomes, and its head."""

    async def run() -> bytes:
        async with (
            raw_server(answering(http_answer(b"{}"))) as server,
            HttpClient(trusted_origins=frozenset({server.url})) as http,
        ):
            adapter: Any = registry.build(
                "bedrock", base_url=server.url, credential=credential, http=http
            )
            await adapter.submit(request, answer=answer)
            return server.requests[0]

    head, _, body = asyncio.run(run()).partition(b"\r\n\r\n")
    return json.loads(body), head


def test_a_call_says_what_was_asked_for_and_nothing_else(
    credential: Credential, answer: SpooledAnswer
) -> None:
    request = altered(
        Operation.OUTPAINT,
        "outpaint",
        PICTURE,
        size=Size(400, 300),
        seed=7,
        parameters={"anchor": "left", "style_preset": "anime"},
    )

    body, head = body_of(request, answer, credential)

    assert head.startswith(b"POST /model/us.stability.stable-outpaint-v1%3A0/invoke HTTP/1.1\r\n")
    assert body.pop("image") == PICTURE.base64_text
    assert body == {
        "prompt": REQUEST.prompt,
        "seed": 7,
        "output_format": "png",
        "style_preset": "anime",
        "left": 0,
        "right": 144,
        "up": 22,
        "down": 22,
    }


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (altered(Operation.EDIT, SD3, PICTURE), {"mode": "image-to-image", "strength": 0.6}),
        (replace(REQUEST, model=SD3), {"mode": "text-to-image", "aspect_ratio": "1:1"}),
        (altered(Operation.EDIT, ULTRA, PICTURE), {"mode": None, "aspect_ratio": None}),
        (
            altered(
                Operation.CONTROL,
                "image-control-structure",
                replace(CONTROL, guide=ControlGuide(weight=1.0)),
            ),
            {"control_strength": 0.7, "aspect_ratio": None},
        ),
        (
            altered(
                Operation.CONTROL,
                "image-style-guide",
                replace(CONTROL, guide=ControlGuide("style")),
                size=Size(1344, 768),
            ),
            {"fidelity": 0.5, "aspect_ratio": "16:9", "control_strength": None},
        ),
        (
            altered(Operation.EDIT, "style-transfer", PICTURE, STYLE),
            {"init_image": PICTURE.base64_text, "style_image": STYLE.base64_text, "strength": None},
        ),
    ],
)
def test_each_service_has_its_own_names(
    credential: Credential,
    answer: SpooledAnswer,
    request_: GenerationRequest,
    said: dict[str, Any],
) -> None:
    body, _ = body_of(request_, answer, credential)

    assert {name: body.get(name) for name in said} == said


def test_the_same_request_is_the_same_call(
    talk: Talk, provider: SimulatorProcess, new_answer: Callable[[], SpooledAnswer]
) -> None:
    images = [made(talk, REQUEST, new_answer()).images[0] for _ in range(2)]

    assert [image.seed for image in images] == [7, 7]
    assert images[0].data == images[1].data
