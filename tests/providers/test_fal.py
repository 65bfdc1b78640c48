"""The fal adapter against the simulator, over a real socket."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image

from imagegen_app.core.errors import (
    BadResponse,
    ContentBlocked,
    InvalidRequest,
    ProviderError,
    ProviderUnavailable,
    UnsupportedParameter,
)
from imagegen_app.core.types import (
    Call,
    GenerationRequest,
    InputRole,
    Lora,
    Operation,
    Size,
    SubmissionStatus,
)
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.fal_endpoints import input_fields
from imagegen_app.providers.http import HttpClient
from imagegen_app.testing.contract.bench import Bench
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.providers.samples import (
    RawServer,
    a_mask,
    a_request,
    an_input,
    answering,
    http_answer,
    raw_server,
)

SIZE = (512, 256)
FLUX = a_request(model="fal-ai/flux/dev", size=Size(512, 256))
INPAINT = a_request(
    model="fal-ai/flux-general/inpainting",
    operation=Operation.INPAINT,
    size=Size(512, 256),
    inputs=(an_input(size=SIZE), a_mask((0, 0, 99, 99), size=SIZE)),
)
UPSCALE = a_request(
    model="fal-ai/esrgan",
    operation=Operation.UPSCALE,
    size=Size(1024, 512),
    inputs=(an_input(size=SIZE),),
)
Use = Callable[[Any], Awaitable[Any]]
Talk = Callable[..., Any]


KEYS = {"webhook_keys": "/.well-known/jwks.json"}


@pytest.fixture
def talk(bench_of: Callable[[str], Bench]) -> Talk:
    """Run `use` with a built adapter."""

    def make(use: Use, **options: Any) -> Any:
        async def run() -> Any:
            async with bench_of("fal").account(options=KEYS | options) as account:
                return await use(account.adapter)

        return asyncio.run(run())

    return make


@pytest.fixture
def made(bench_of: Callable[[str], Bench]) -> Callable[[GenerationRequest], Any]:
    """Have a request made, and read its answer."""

    async def run(request: GenerationRequest) -> Any:
        async with bench_of("fal").account(options=KEYS) as account:
            return await account.made(request)

    return lambda request: asyncio.run(run(request))


@pytest.mark.parametrize(
    ("request_", "size", "count"),
    [
        (replace(FLUX, count=3, seed=7, parameters={"steps": 20, "guidance": 3.5}), (512, 256), 3),
        (replace(FLUX, output_format="jpeg"), (512, 256), 1),
        (replace(INPAINT, loras=(Lora("https://example.org/one", 0.5),)), (512, 256), 1),
        (UPSCALE, (1024, 512), 1),
        (
            a_request(
                model="fal-ai/nano-banana-2/edit",
                operation=Operation.EDIT,
                size=Size(1600, 900),
                inputs=(an_input(size=SIZE), an_input(size=SIZE)),
            ),
            (1344, 768),
            1,
        ),
    ],
)
def test_each_endpoint_gets_what_its_schema_names(
    made: Callable[[GenerationRequest], Any],
    request_: GenerationRequest,
    size: tuple[int, int],
    count: int,
) -> None:
    result = made(request_)

    opened = [Image.open(io.BytesIO(image.data)) for image in result.images]
    assert [image.size for image in opened] == [size] * count
    assert {image.format for image in opened} == {request_.output_format.upper()}


def test_the_seed_of_several_images_is_told_for_all(
    made: Callable[[GenerationRequest], Any],
) -> None:
    result = made(replace(FLUX, count=2, seed=7))

    assert [image.seed for image in result.images] == [None, None]
    assert result.resolved == {"seed": "7"}
    assert result.usage.images == 2
    pixels = FLUX.size.width * FLUX.size.height
    assert result.usage.megapixels == Decimal(2 * pixels) / 1_000_000


def test_a_black_mask_marks_the_change_where_the_endpoint_has_it_so(
    made: Callable[[GenerationRequest], Any], simulator: SimulatorProcess
) -> None:
    made(replace(INPAINT, model="fal-ai/ideogram/v3/edit"))

    mask = next(one for one in simulator.received() if one.role == InputRole.MASK)
    assert Image.open(io.BytesIO(mask.data)).convert("L").getpixel((5, 5)) == 0
    assert Image.open(io.BytesIO(mask.area)).getpixel((5, 5)) == 255


@pytest.mark.parametrize(
    "request_",
    [
        replace(
            INPAINT,
            model="fal-ai/ideogram/v3/edit",
            inputs=(an_input(size=SIZE), a_mask((0, 0, *SIZE), size=SIZE)),
        ),
        replace(UPSCALE, size=Size(256, 128)),
        replace(UPSCALE, size=Size(1024, 1024)),
        replace(FLUX, negative_prompt="fog"),
        replace(FLUX, parameters={"strength": 0.5}),
        replace(INPAINT, loras=(Lora("one", 5.0),)),
    ],
)
def test_what_an_endpoint_cannot_do_is_refused_before_any_call(
    talk: Talk, simulator: SimulatorProcess, answer: SpooledAnswer, request_: GenerationRequest
) -> None:
    with pytest.raises(UnsupportedParameter):
        talk(lambda provider: provider.submit(request_, answer=answer))

    assert not simulator.calls()


@pytest.mark.parametrize(
    ("model", "operation"),
    [
        ("someone/portraits", Operation.GENERATE),
        ("someone/portraits/edit", Operation.EDIT),
        ("someone/sdxl/inpaint", Operation.INPAINT),
        ("someone/crystal-upscaler", Operation.UPSCALE),
        ("fal-ai/imageutils/rembg", Operation.REMOVE_BACKGROUND),
    ],
)
def test_an_unknown_endpoint_is_taken_for_the_plainest_of_its_kind(
    model: str, operation: Operation
) -> None:
    can = registry.capabilities("fal", model)

    assert can.operations == {operation}
    assert (can.max_count, can.supports_seed, can.parameters) == (1, False, {})


@pytest.mark.parametrize(
    ("request_", "fault", "expected", "billed"),
    [
        # An endpoint that does not know the field refuses it only when its turn comes.
        (replace(FLUX, seed=-1), {}, InvalidRequest, "unknown"),
        (replace(FLUX, prompt="simulate-blocked"), {}, ContentBlocked, "unknown"),
        (FLUX, {"kind": "job_failed", "code": "timeout"}, ProviderUnavailable, "no"),
        (FLUX, {"kind": "job_failed", "code": "internal"}, ProviderUnavailable, "no"),
        (FLUX, {"kind": "job_failed", "code": "other"}, ProviderUnavailable, "no"),
    ],
)
def test_a_request_that_is_completed_may_have_failed(  # noqa: PLR0917 - a table
    made: Callable[[GenerationRequest], Any],
    simulator: SimulatorProcess,
    request_: GenerationRequest,
    fault: dict[str, Any],
    expected: type[ProviderError],
    billed: str,
) -> None:
    if fault:
        simulator.script(fault=fault)

    with pytest.raises(expected) as caught:
        made(request_)

    assert caught.value.is_call_outcome
    assert caught.value.billed == billed


def test_a_block_of_the_prompt_says_so(made: Callable[[GenerationRequest], Any]) -> None:
    with pytest.raises(ContentBlocked) as caught:
        made(replace(FLUX, prompt="simulate-blocked"))

    assert caught.value.stage == "input"


def test_a_cancelled_request_is_asked_after(
    talk: Talk, simulator: SimulatorProcess, answer: SpooledAnswer
) -> None:
    simulator.script(hold_jobs=True)

    async def use(provider: Any) -> Any:
        submission = await provider.submit(FLUX, answer=answer)
        # Without what the provider said of its addresses, as where only a webhook named it.
        call = Call(submission.ref, model=FLUX.model)
        running = await provider.poll(call, answer=answer)
        return running, await provider.cancel(call), await provider.poll(call, answer=answer)

    running, cancelled, after = talk(use)

    assert (running.status, running.stage) == (SubmissionStatus.RUNNING, "in_progress")
    assert cancelled == "requested"
    assert after.status is SubmissionStatus.CANCELLED


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("fal-ai/flux/dev", b"/fal-ai/flux/requests/r-1/status"),
        ("workflows/someone/mine/x", b"/workflows/someone/mine/requests/r-1/status"),
    ],
)
def test_the_addresses_of_a_request_elsewhere_are_not_asked(
    credential: Credential, answer: SpooledAnswer, model: str, path: bytes
) -> None:
    """The key goes along, so the provider's own host is asked, whatever an answer says."""
    taken = {
        "request_id": "r-1",
        "status": "IN_QUEUE",
        "status_url": "https://elsewhere.example/requests/r-1/status",
        "response_url": "https://elsewhere.example/requests/r-1",
    }
    status, result = {**taken, "status": "COMPLETED"}, {"detail": "nothing here"}
    replies = [
        http_answer(json.dumps(taken).encode()),
        http_answer(json.dumps(status).encode()),
        http_answer(json.dumps(result).encode(), status="404 Not Found"),
    ]

    async def run() -> list[bytes]:
        server: RawServer
        async with (
            raw_server(answering(*replies)) as server,
            HttpClient(trusted_origins=frozenset({server.url})) as http,
        ):
            provider = registry.build("fal", base_url=server.url, credential=credential, http=http)
            sent = await provider.submit(replace(FLUX, model=model), answer=answer)
            call = Call(sent.ref, model=model, state=sent.state or {})
            with pytest.raises(ProviderError) as caught:
                await provider.poll(call, answer=answer)
            assert not caught.value.is_call_outcome
            return server.requests

    requests = asyncio.run(run())

    assert requests[1].split(b" ")[1] == path
    assert requests[2].split(b" ")[1] == path.removesuffix(b"/status")
    assert b"x-fal-store-io: 0\r\n" in requests[0].lower()
    assert b'{"expiration_duration_seconds": 86400}' in requests[0]
    assert b"authorization: key " in requests[0].lower()


def test_what_the_provider_filtered_leaves_the_other_images(
    talk: Talk, spooled: Callable[..., SpooledAnswer]
) -> None:
    image = {"url": "data:image/png;base64,aWNo", "content_type": "image/png"}
    document = {"images": [image, image], "has_nsfw_concepts": [True, False], "seed": 3}
    lain = spooled(json.dumps(document).encode())

    async def use(provider: Any) -> Any:
        return provider.read_answer(lain)

    result = talk(use)

    assert [one.data for one in result.images] == [b"ich"]
    assert result.unusable == ("the provider filtered this image",)


def test_a_vector_result_is_no_image_of_ours(
    talk: Talk, spooled: Callable[..., SpooledAnswer]
) -> None:
    lain = spooled(b'{"video": {"url": "https://v3.fal.media/one.mp4"}}')

    async def use(provider: Any) -> Any:
        return provider.read_answer(lain)

    with pytest.raises(BadResponse):
        talk(use)


@pytest.mark.parametrize(
    ("status", "result", "expected"),
    [
        ({"error_type": ["x"], "error": {}}, {"detail": {}}, ProviderError),
        ({"error": "no"}, {"detail": [{"loc": {}, "type": {}}]}, BadResponse),
        (
            {"error": "no", "error_type": "bad_request"},
            {"detail": [{"loc": ["body", "image_url"], "type": "image_too_small"}]},
            InvalidRequest,
        ),
    ],
)
def test_odd_documents_end_in_errors_of_ours(
    credential: Credential,
    answer: SpooledAnswer,
    status: dict[str, Any],
    result: dict[str, Any],
    expected: type[ProviderError],
) -> None:
    replies = [
        http_answer(json.dumps({"status": "COMPLETED", **status}).encode()),
        http_answer(json.dumps(result).encode(), status="422 Unprocessable"),
    ]

    async def run() -> ProviderError:
        async with (
            raw_server(answering(*replies)) as server,
            HttpClient(trusted_origins=frozenset({server.url})) as http,
        ):
            provider = registry.build("fal", base_url=server.url, credential=credential, http=http)
            with pytest.raises(ProviderError) as caught:
                await provider.poll(Call("r-1", model=FLUX.model), answer=answer)
            return caught.value

    error = asyncio.run(run())

    assert isinstance(error, expected)
    if expected is InvalidRequest:
        assert error.detail == "HTTP 422 image_too_small (image_url)"


def test_what_an_administrator_knows_of_an_endpoint_goes_onto_the_wire() -> None:
    known = {
        "max_count": 4,
        "qualities": ["low", "high"],
        "supports_seed": True,
        "output_formats": ["png", "webp"],
        "sizes": {"ratios": ["1:1", "16:9"]},
        "parameters": {"acceleration": {"kind": "choice", "choices": ["none", "high"]}},
    }
    request = a_request(
        model="someone/portraits",
        size=Size(1920, 1080),
        count=2,
        seed=3,
        quality="high",
        output_format="webp",
        parameters={"acceleration": "none"},
    )
    offer = registry.capabilities("fal", request.model, overrides=known)

    assert input_fields(request, offer=offer) == {
        "prompt": request.prompt,
        "aspect_ratio": "16:9",
        "num_images": 2,
        "seed": 3,
        "quality": "high",
        "output_format": "webp",
        "acceleration": "none",
    }
