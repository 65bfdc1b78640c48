"""What the models of Black Forest Labs are sent: each has a body of its own."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from imagegen_app.core.errors import (
    InvalidRequest,
    ProviderError,
    UnsupportedParameter,
)
from imagegen_app.core.types import (
    GenerationRequest,
    InputRole,
    Lora,
    Operation,
    Size,
)
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.testing.contract import checks_for, run_check, sample_requests
from imagegen_app.testing.contract.our_samples import SAMPLES
from imagegen_app.testing.contract.suite import simulator_for
from imagegen_app.testing.simulator.protocols.bfl import MODELS
from tests.providers.bfl_calls import SMALL, TASK, of, replied, talked
from tests.providers.conftest import KEY
from tests.providers.samples import (
    a_mask,
    an_input,
)


def body_of(request: GenerationRequest, answer: SpooledAnswer, credential: Credential) -> Any:
    _, sent = talked(
        lambda provider: provider.submit(request, answer=answer), credential, replied(TASK)
    )
    head, _, body = sent[0].partition(b"\r\n\r\n")
    assert head.startswith(f"POST /v1/{request.model} HTTP".encode())
    assert f"x-key: {KEY}".encode() in head
    return json.loads(body)


PNG = {"prompt": "a mug", "output_format": "png"}


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        (of("flux-2-pro", seed=7), PNG | {"width": 1024, "height": 1024, "seed": 7}),
        (
            of(
                "flux-2-flex", parameters={"steps": 20, "guidance": 4.5, "prompt_upsampling": False}
            ),
            PNG
            | {"width": 1024, "height": 1024, "steps": 20, "guidance": 4.5}
            | {"prompt_upsampling": False},
        ),
        (
            of("flux-dev", size=Size(1440, 256), parameters={"safety_tolerance": 0}),
            PNG | {"width": 1440, "height": 256, "safety_tolerance": 0},
        ),
        (of("flux-kontext-max", size=Size(1568, 672)), PNG | {"aspect_ratio": "21:9"}),
        (
            of("flux-pro-1.1-ultra", size=Size(2752, 1536), parameters={"raw": True}),
            PNG | {"aspect_ratio": "16:9", "raw": True},
        ),
        (
            of(
                "flux-pro-1.1-ultra-finetuned",
                size=Size(2048, 2048),
                loras=(Lora("org/style", 1.5),),
            ),
            PNG | {"aspect_ratio": "1:1", "finetune_id": "org/style", "finetune_strength": 1.5},
        ),
        (
            of("flux-3-image", size=Size(2048, 2048)),
            {"prompt": "a mug", "aspect_ratio": "1:1", "resolution": "2k", "grounding": False},
        ),
        (
            of("flux-3-image", size=Size(768, 1152)),
            {"prompt": "a mug", "aspect_ratio": "2:3", "resolution": "1k", "grounding": False},
        ),
    ],
)
def test_each_model_gets_its_own_body(
    answer: SpooledAnswer, credential: Credential, request_: GenerationRequest, body: dict[str, Any]
) -> None:
    assert body_of(request_, answer, credential) == body


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("flux-2-pro", ["input_image", "input_image_2", "input_image_3"]),
        ("flux-kontext-pro", ["input_image", "input_image_2", "input_image_3"]),
    ],
)
def test_images_are_numbered(
    answer: SpooledAnswer, credential: Credential, model: str, names: list[str]
) -> None:
    images = tuple(an_input(size=(64 + n, 64)) for n in range(3))

    sent = body_of(of(model, operation=Operation.EDIT, inputs=images), answer, credential)

    assert [base64.b64decode(sent[name]) for name in names] == [one.data for one in images]


def test_flux_3_gets_a_list_of_images(answer: SpooledAnswer, credential: Credential) -> None:
    images = (an_input(size=(300, 300)), an_input(size=(300, 300), role=InputRole.REFERENCE))

    sent = body_of(of("flux-3-image", operation=Operation.EDIT, inputs=images), answer, credential)

    assert [base64.b64decode(text) for text in sent["images"]] == [one.data for one in images]


def test_a_fill_gets_a_mask_that_is_white_where_it_paints(
    answer: SpooledAnswer, credential: Credential
) -> None:
    inputs = (an_input(size=SMALL), a_mask((0, 0, 128, 96), size=SMALL))

    sent = body_of(
        of("flux-pro-1.0-fill", operation=Operation.INPAINT, inputs=inputs, size=Size(*SMALL)),
        answer,
        credential,
    )

    mask = Image.open(io.BytesIO(base64.b64decode(sent["mask"])))
    assert (mask.getpixel((1, 1)), mask.getpixel((200, 150))) == (255, 0)
    assert not {"width", "height", "aspect_ratio"} & sent.keys()


def test_an_expansion_says_how_much_each_edge_grows(
    answer: SpooledAnswer, credential: Credential
) -> None:
    request = of(
        "flux-pro-1.0-expand",
        operation=Operation.OUTPAINT,
        inputs=(an_input(size=SMALL),),
        size=Size(356, 292),
        parameters={"anchor": "left"},
    )

    sent = body_of(request, answer, credential)

    assert {name: sent[name] for name in ("left", "right", "top", "bottom")} == {
        "left": 0,
        "right": 100,
        "top": 50,
        "bottom": 50,
    }
    assert "anchor" not in sent


IMAGE = (an_input(size=SMALL),)
MASKED = (*IMAGE, a_mask((0, 0, 9, 9), size=SMALL))


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (of("flux-3-image", seed=7), UnsupportedParameter),
        (of("flux-3-image", output_format="webp"), UnsupportedParameter),
        (of("flux-2-pro", negative_prompt="fog"), UnsupportedParameter),
        (of("flux-2-pro", count=2), UnsupportedParameter),
        (of("flux-2-pro", size=Size(1000, 1000)), UnsupportedParameter),
        (of("flux-2-pro", parameters={"safety_tolerance": 6}), UnsupportedParameter),
        (of("flux-2-pro", loras=(Lora("a"),)), UnsupportedParameter),
        (
            of("flux-2-klein-4b", operation=Operation.EDIT, inputs=IMAGE * 5),
            UnsupportedParameter,
        ),
        (of("flux-pro-1.1-ultra-finetuned", size=Size(2048, 2048)), UnsupportedParameter),
        (
            of("flux-pro-1.0-fill", operation=Operation.INPAINT, inputs=MASKED),
            UnsupportedParameter,
        ),
        (
            of(
                "flux-pro-1.0-expand",
                operation=Operation.OUTPAINT,
                inputs=IMAGE,
                size=Size(256, 2400),
                parameters={"anchor": "top"},
            ),
            UnsupportedParameter,
        ),
        (
            of(
                "flux-pro-1.0-expand",
                operation=Operation.OUTPAINT,
                inputs=IMAGE,
                size=Size(128, 128),
            ),
            InvalidRequest,
        ),
    ],
)
def test_what_a_model_has_not_is_refused_before_any_call(
    answer: SpooledAnswer,
    credential: Credential,
    wrong: GenerationRequest,
    kind: type[ProviderError],
) -> None:
    async def use(provider: Any) -> None:
        with pytest.raises(kind):
            await provider.submit(wrong, answer=answer)

    _, sent = talked(use, credential, replied(TASK))

    assert not sent


SIZES = (Size(512, 512), Size(1024, 1024), Size(2048, 2048))


def every_operation(model: str) -> Iterator[GenerationRequest]:
    """Return a request for each operation of a model, with all parameters at their limits."""
    can = registry.capabilities("bfl", model)
    size = next(size for size in SIZES if can.sizes.error_for(size) is None)
    for request in sample_requests(can.operations, model=model, size=size).values():
        is_wider = request.operation is Operation.OUTPAINT
        yield replace(
            request,
            size=Size(size.width + 64, size.height + 2000) if is_wider else size,
            output_format=can.output_formats[-1],
            seed=7 if can.supports_seed else None,
            loras=(Lora("org/style", 2.0),) if can.max_loras else (),
            parameters={
                name: {"bool": True, "choice": "top"}.get(one.kind, one.high)
                for name, one in can.parameters.items()
            },
        )


@pytest.mark.parametrize("model", MODELS)
def test_every_operation_of_every_model_is_made(
    pytestconfig: pytest.Config, tmp_path: Path, model: str
) -> None:
    requests = list(every_operation(model))
    samples = replace(
        SAMPLES["bfl"], model=model, requests={one.operation: one for one in requests}
    )
    check = next(one for one in checks_for(samples) if one.name == "every_operation_is_made")

    run_check(check, samples, simulator=simulator_for(pytestconfig, "bfl"), folder=tmp_path)

    assert requests
