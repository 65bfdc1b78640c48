"""The Recraft adapter against the simulator, over a real socket."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image

from imagegen_app.core.errors import (
    AuthenticationFailed,
    BadResponse,
    ContentBlocked,
    InvalidRequest,
    NotFound,
    ProviderError,
    QuotaExhausted,
    UnsupportedParameter,
)
from imagegen_app.core.types import GenerationRequest, InputRole, Operation, Size
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import HttpClient, Reply
from imagegen_app.testing.contract.bench import Bench
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.providers.samples import a_mask, a_request, an_input

SIZE = (512, 256)
IMAGE, MASK = an_input(size=SIZE), a_mask((0, 0, 99, 99), size=SIZE)
V3 = a_request(model="recraftv3")
V4 = a_request(model="recraftv4_1")
INPAINT = replace(V3, operation=Operation.INPAINT, inputs=(IMAGE, MASK))
CUT_OUT = replace(V3, operation=Operation.REMOVE_BACKGROUND, inputs=(IMAGE,))
UPSCALE = replace(V3, operation=Operation.UPSCALE, inputs=(IMAGE,))
Make = Callable[[GenerationRequest], Any]


@pytest.fixture
def made(bench_of: Callable[[str], Bench]) -> Make:
    """Have a request made, and read its answer."""

    async def run(request: GenerationRequest) -> Any:
        async with bench_of("recraft").account() as account:
            return await account.made(request)

    return lambda request: asyncio.run(run(request))


@pytest.mark.parametrize(
    ("request_", "size", "dollars"),
    [
        (
            replace(
                V3,
                size=Size(1365, 1024),
                count=2,
                seed=7,
                negative_prompt="fog",
                output_format="webp",
                parameters={
                    "style": "Pixel art",
                    "colors": ["#ff0000", "00ff00"],
                    "background_color": "#ffffff",
                    "artistic_level": 2,
                    "no_text": True,
                },
            ),
            (1365, 1024),
            "0.08",
        ),
        (replace(V4, size=Size(1344, 768), seed=7), (1344, 768), "0.035"),
        (replace(V4, model="recraftv4_1_pro", size=Size(2048, 2048)), (2048, 2048), "0.21"),
        (
            replace(
                V4,
                operation=Operation.EDIT,
                inputs=(IMAGE,),
                parameters={"strength": 0.2, "colors": ["#ff0000"]},
            ),
            SIZE,
            "0.035",
        ),
        (INPAINT, SIZE, "0.04"),
        (replace(V4, operation=Operation.ERASE, inputs=(IMAGE, MASK)), SIZE, "0.002"),
        (CUT_OUT, SIZE, "0.01"),
        (UPSCALE, (1024, 512), "0.004"),
        (replace(UPSCALE, parameters={"mode": "creative"}), (1024, 512), "0.25"),
    ],
)
def test_each_operation_is_made_at_the_price_that_the_answer_names(
    made: Make, request_: GenerationRequest, size: tuple[int, int], dollars: str
) -> None:
    result = made(request_)

    opened = [Image.open(io.BytesIO(one.data)) for one in result.images]
    assert [one.size for one in opened] == [size] * request_.count
    assert {one.format for one in opened} == {request_.output_format.upper()}
    assert (result.reported_cost.amount, result.reported_cost.currency) == (Decimal(dollars), "USD")
    assert result.usage.credits == Decimal(dollars) * 1000


def test_the_seed_of_a_single_image_is_the_one_that_was_sent(made: Make) -> None:
    assert made(replace(V3, seed=7)).images[0].seed == 7


def test_a_soft_mask_gets_two_values_and_white_marks_the_change(
    made: Make, simulator: SimulatorProcess
) -> None:
    soft = an_input(role=InputRole.MASK, image=Image.linear_gradient("L").resize(SIZE))

    made(replace(INPAINT, inputs=(IMAGE, soft)))

    mask = next(one for one in simulator.received() if one.role == InputRole.MASK)
    sent = Image.open(io.BytesIO(mask.data)).convert("L")
    assert set(sent.tobytes()) == {0, 255}
    assert (sent.getpixel((5, 5)), sent.getpixel((5, 250))) == (0, 255)


@pytest.mark.parametrize(
    "request_",
    [
        replace(V3, model="recraftv3_vector"),
        replace(CUT_OUT, model="recraftv4_1_vector"),
        replace(V3, parameters={"style": "Vector art"}),
        replace(V3, parameters={"style": "vector_illustration"}),
        replace(V3, output_format="jpeg"),
        replace(V3, size=Size(1216, 896)),
        # It is there upright only.
        replace(V4, size=Size(1344, 832)),
        replace(V3, parameters={"colors": ["blue"]}),
        replace(V3, parameters={"strength": 0.5}),
        replace(V3, inputs=(IMAGE,)),
        replace(V4, negative_prompt="fog"),
        replace(V4, parameters={"style": "Pixel art"}),
        replace(INPAINT, model="recraftv4_1"),
        replace(INPAINT, model="recraftv2"),
        replace(CUT_OUT, seed=7),
        replace(CUT_OUT, count=2),
        replace(CUT_OUT, inputs=(IMAGE, MASK)),
        replace(CUT_OUT, inputs=(an_input(role=InputRole.REFERENCE, size=SIZE),)),
        replace(CUT_OUT, inputs=(an_input(size=(512, 255)),)),
    ],
)
def test_what_a_model_does_not_take_is_refused_before_any_call(
    made: Make, simulator: SimulatorProcess, request_: GenerationRequest
) -> None:
    with pytest.raises(UnsupportedParameter):
        made(request_)

    assert not simulator.calls()


def test_a_vector_answer_is_refused_and_was_paid_for(
    made: Make, simulator: SimulatorProcess
) -> None:
    simulator.fail("svg")

    with pytest.raises(BadResponse) as caught:
        made(V3)

    assert caught.value.detail == "a vector image instead of pixels"
    assert caught.value.billed == "yes"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, b"request unauthorized", AuthenticationFailed),
        (404, b"404 page not found", NotFound),
        (400, b"invalid size", InvalidRequest),
        (400, b"the prompt did not pass moderation", ContentBlocked),
        (422, b'{"code": "nsfw_content", "message": "NSFW"}', ContentBlocked),
        (400, b'{"code": "prompt_moderation", "message": "no"}', ContentBlocked),
        (400, b'{"code": "not_enough_credits", "message": "no"}', QuotaExhausted),
        (402, b"no", QuotaExhausted),
    ],
)
def test_errors_are_read_though_they_are_often_no_json(
    client: Callable[..., HttpClient],
    credential: Credential,
    status: int,
    body: bytes,
    expected: type[ProviderError],
) -> None:
    provider: Any = registry.build(
        "recraft", http=client(), base_url="https://127.0.0.1", credential=credential
    )

    error = provider.error_of(Reply(status, {}, body))

    assert type(error) is expected
    assert body.decode() not in error.detail


def test_what_was_withheld_leaves_the_other_images(
    client: Callable[..., HttpClient],
    credential: Credential,
    spooled: Callable[..., SpooledAnswer],
) -> None:
    provider: Any = registry.build(
        "recraft", http=client(), base_url="https://127.0.0.1", credential=credential
    )
    lain = spooled(
        b'{"credits": 80, "data": [{"image_id": "1", "features": {"nsfw_score": 0.9}},'
        b' {"image_id": "2", "b64_json": "aWNo", "features": {"nsfw_score": 0.9}}]}'
    )

    result = provider.read_answer(lain)

    assert [one.data for one in result.images] == [b"ich"]
    assert result.unusable == ("the provider filtered this image",)
