"""AUTOMATIC1111 and Forge: what goes onto the wire, what is looked up before, and what is read."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from imagegen_app.core.errors import (
    AuthenticationFailed,
    BadResponse,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderUnavailable,
    UnsupportedParameter,
)
from imagegen_app.core.types import (
    ControlGuide,
    GenerationRequest,
    InputRole,
    Lora,
    Operation,
    Size,
)
from imagegen_app.providers import registry, remote
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import HttpClient, HttpLimits
from imagegen_app.testing.simulator.process import SimulatorProcess
from imagegen_app.testing.simulator.protocols.automatic1111 import USER
from tests.providers.conftest import KEY
from tests.providers.samples import a_mask, a_request, an_input, answering, http_answer, raw_server

SIZE = (512, 512)
REQUEST = a_request(model="sd_xl_base_1.0", size=Size(*SIZE))
PICTURE = an_input(size=SIZE)
CONTROL = replace(PICTURE, role=InputRole.CONTROL)
MASK = a_mask((0, 0, 128, 128), size=SIZE)
KINDS: dict[str, Any] = {
    "control_models": {"depth": {"model": "depth [a]"}, "pose": {"model": "pose [b]"}}
}
IMAGE = base64.b64encode(b"\x89PNG image").decode()
MODELS = json.dumps([{"title": "sd_xl_base_1.0.safetensors [31e3]", "model_name": REQUEST.model}])
LORAS = json.dumps([{"name": "mugs", "alias": "mugs-v2"}])
RESTORERS = json.dumps([{"name": "CodeFormer"}, {"name": "GFPGAN"}])
SCHEDULERS = json.dumps([{"name": "karras", "label": "Karras"}])
UPSCALERS = json.dumps([{"name": "R-ESRGAN 4x+"}])


def altered(operation: Operation, *inputs: Any, **changes: Any) -> GenerationRequest:
    return replace(REQUEST, operation=operation, inputs=inputs, **changes)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    remote.forget()
    yield
    remote.forget()


@pytest.fixture
def web_ui(start_simulator: Callable[[str], SimulatorProcess]) -> SimulatorProcess:
    return start_simulator("automatic1111")


@pytest.fixture
def made(web_ui: SimulatorProcess, credential: Credential, answer: SpooledAnswer) -> Any:
    """Make a request at the simulator."""

    def make(request: GenerationRequest, **options: Any) -> Any:
        return at(web_ui.base_url, credential, answer, request, {"user": USER, **options})

    return make


def at(
    url: str,
    credential: Credential | None,
    answer: SpooledAnswer,
    request: GenerationRequest,
    options: dict[str, Any],
) -> Any:
    async def run() -> Any:
        async with HttpClient(
            trusted_origins=frozenset({url}), limits=HttpLimits(connect=60, read=60, total=120)
        ) as http:
            adapter = registry.build(
                "automatic1111", base_url=url, credential=credential, http=http, options=options
            )
            await adapter.submit(request, answer=answer)
            return adapter.read_answer(answer)

    return asyncio.run(run())


def sent(
    answer: SpooledAnswer,
    request: GenerationRequest,
    *lists: str,
    reply: bytes = b"",
    **options: Any,
) -> tuple[dict[str, Any], Any]:
    """Make a request at a server that gives lists and one answer; return its body, and the result."""
    good = http_answer(json.dumps({"images": [IMAGE], "image": IMAGE, "info": ""}).encode())
    replies = [http_answer(text.encode()) for text in lists or (MODELS,)] + [reply or good]

    async def run() -> tuple[dict[str, Any], Any]:
        async with raw_server(answering(*replies)) as server:
            url = server.url
            async with HttpClient(
                trusted_origins=frozenset({url}), limits=HttpLimits(connect=60, read=60, total=120)
            ) as http:
                adapter = registry.build("automatic1111", base_url=url, http=http, options=options)
                await adapter.submit(request, answer=answer)
            body = server.requests[-1].partition(b"\r\n\r\n")[2]
            return json.loads(body), adapter.read_answer(answer)

    return asyncio.run(run())


def test_a_generation_names_checkpoint_size_seed_and_sampler(answer: SpooledAnswer) -> None:
    parameters = {"steps": 28, "guidance": 5.5, "sampler": "DPM++ 2M", "scheduler": "Karras"}
    request = replace(REQUEST, count=3, seed=7, negative_prompt="fog", parameters=parameters)
    body, _ = sent(answer, request, MODELS, SCHEDULERS)

    assert body["override_settings"] == {"sd_model_checkpoint": "sd_xl_base_1.0"}
    assert body["override_settings_restore_afterwards"] is True
    assert (body["width"], body["height"], body["seed"]) == (512, 512, 7)
    assert (body["batch_size"], body["n_iter"]) == (1, 3)
    assert (body["steps"], body["cfg_scale"]) == (28, 5.5)
    assert (body["sampler_name"], body["scheduler"]) == ("DPM++ 2M", "Karras")
    assert (body["prompt"], body["negative_prompt"]) == (REQUEST.prompt, "fog")
    assert body["save_images"] is False
    assert "alwayson_scripts" not in body


def test_a_prompt_commands_nothing_and_loras_come_from_the_request_alone(
    answer: SpooledAnswer,
) -> None:
    request = replace(
        REQUEST,
        prompt="a <lora:secret:2> mug, __colours__ {red|blue}",
        negative_prompt="<lora:other:1> fog",
        loras=(Lora("mugs-v2", 0.8), Lora("mugs", -1.0)),
    )
    body, result = sent(answer, request, MODELS, LORAS)

    prompt = "<lora:mugs-v2:0.8> <lora:mugs:-1> a mug, colours red|blue"
    assert (body["prompt"], body["negative_prompt"]) == (prompt, "fog")
    assert result.resolved["prompt"] == "cleaned"


def test_a_mask_is_white_where_the_image_is_repainted(
    made: Callable[..., Any], web_ui: SimulatorProcess
) -> None:
    parameters = {"inpainting_fill": "latent_noise", "strength": 0.9, "mask_blur": 8}
    made(altered(Operation.INPAINT, PICTURE, MASK, parameters=parameters))

    mask = web_ui.received()[-1]
    assert mask.role == InputRole.MASK
    with Image.open(io.BytesIO(mask.area)) as area:
        assert (area.getpixel((5, 5)), area.getpixel((400, 400))) == (255, 0)


def test_an_inpainting_fills_by_number(answer: SpooledAnswer) -> None:
    parameters = {"inpainting_fill": "latent_noise", "strength": 0.9, "mask_blur": 8}
    request = altered(Operation.INPAINT, PICTURE, MASK, parameters=parameters)
    body, _ = sent(answer, request)

    assert (body["inpainting_fill"], body["inpainting_mask_invert"]) == (2, 0)
    assert (body["denoising_strength"], body["mask_blur"]) == (0.9, 8)
    assert body["init_images"] == [PICTURE.base64_text]


def test_guides_go_to_control_net_with_the_models_of_the_account(answer: SpooledAnswer) -> None:
    pose = replace(CONTROL, guide=ControlGuide("pose", weight=0.7, start=0.1, end=0.9))
    body, _ = sent(answer, altered(Operation.EDIT, PICTURE, pose, CONTROL), **KINDS)

    units = body["alwayson_scripts"]["controlnet"]["args"]
    assert [unit["model"] for unit in units] == ["pose [b]", "depth [a]"]
    assert [unit.get("weight") for unit in units] == [0.7, None]
    assert (units[0]["guidance_start"], units[0]["guidance_end"]) == (0.1, 0.9)
    assert body["init_images"] == [PICTURE.base64_text]


def test_control_is_offered_only_where_the_account_names_models() -> None:
    without = registry.capabilities("automatic1111", "any")
    wrong = registry.capabilities("automatic1111", "any", options={"control_models": {"a": 1}})
    with_models = registry.capabilities("automatic1111", "any", options=KINDS)

    assert without == wrong
    assert Operation.CONTROL not in without.operations
    assert with_models.control_kinds == ("depth", "pose")
    assert Operation.CONTROL in with_models.operations


def test_an_enlargement_has_the_size_that_was_asked_for(
    made: Callable[..., Any], answer: SpooledAnswer
) -> None:
    request = altered(Operation.UPSCALE, PICTURE, size=Size(900, 1100))
    body, _ = sent(answer, request, UPSCALERS)
    assert (body["upscaling_resize_w"], body["upscaling_resize_h"]) == (900, 1100)
    assert (body["resize_mode"], body["upscaler_1"]) == (1, "R-ESRGAN 4x+")

    result = made(request)
    with Image.open(io.BytesIO(result.images[0].data)) as image:
        assert image.size == (900, 1100)


@pytest.mark.parametrize(
    ("parameters", "fields"),
    [
        ({}, {"codeformer_visibility": 1}),
        ({"restorer": "GFPGAN", "visibility": 0.5}, {"gfpgan_visibility": 0.5}),
        ({"fidelity": 0.7}, {"codeformer_visibility": 1, "codeformer_weight": 0.7}),
    ],
)
def test_faces_are_restored_and_nothing_is_made_larger(
    answer: SpooledAnswer, parameters: dict[str, Any], fields: dict[str, Any]
) -> None:
    body, _ = sent(
        answer, altered(Operation.RESTORE_FACES, PICTURE, parameters=parameters), RESTORERS
    )

    plain = {"image": PICTURE.base64_text, "upscaler_1": "None", "upscaling_resize": 1}
    assert body == plain | fields


def test_restored_faces_come_back_in_an_image_of_the_same_size(made: Callable[..., Any]) -> None:
    result = made(altered(Operation.RESTORE_FACES, PICTURE))

    with Image.open(io.BytesIO(result.images[0].data)) as image:
        assert image.size == SIZE


def test_a_server_without_the_restorer_is_not_asked_to_restore(answer: SpooledAnswer) -> None:
    with pytest.raises(UnsupportedParameter) as refusal:
        sent(answer, altered(Operation.RESTORE_FACES, PICTURE), json.dumps([{"name": "GFPGAN"}]))

    assert "restorer" in refusal.value.detail


@pytest.mark.parametrize(
    "request_",
    [
        replace(REQUEST, model="no-such-checkpoint"),
        replace(REQUEST, loras=(Lora("no-such-lora"),)),
        replace(REQUEST, loras=(Lora("mugs:1><lora:other"),)),
        altered(Operation.UPSCALE, PICTURE, parameters={"upscaler": "Magic 9x"}),
        replace(REQUEST, parameters={"scheduler": "Karas"}),
    ],
)
def test_what_the_server_would_drop_without_a_word_is_refused_before(
    made: Callable[..., Any], web_ui: SimulatorProcess, request_: GenerationRequest
) -> None:
    with pytest.raises(UnsupportedParameter):
        made(request_)

    assert not [call for call in web_ui.calls() if call.startswith("POST")]


@pytest.mark.parametrize(
    "request_",
    [
        altered(Operation.GENERATE, PICTURE),
        altered(Operation.GENERATE, MASK),
        altered(Operation.EDIT, PICTURE, replace(PICTURE, role=InputRole.REFERENCE)),
        altered(Operation.EDIT, CONTROL),
        altered(Operation.CONTROL, CONTROL, MASK),
        altered(Operation.UPSCALE, PICTURE, count=2),
        altered(Operation.UPSCALE, PICTURE, loras=(Lora("mugs"),)),
        altered(Operation.UPSCALE, PICTURE, negative_prompt="fog"),
        altered(Operation.UPSCALE, PICTURE, seed=7),
        altered(Operation.UPSCALE, PICTURE, MASK),
        altered(Operation.RESTORE_FACES, PICTURE, count=2),
        altered(Operation.RESTORE_FACES, PICTURE, PICTURE),
        altered(
            Operation.RESTORE_FACES, PICTURE, parameters={"restorer": "GFPGAN", "fidelity": 1.0}
        ),
        replace(REQUEST, parameters={"distilled_cfg_scale": 3.5}),
        replace(REQUEST, output_format="webp"),
        replace(REQUEST, size=Size(513, 512)),
    ],
)
def test_what_would_have_no_effect_is_refused_before_any_call(
    made: Callable[..., Any], web_ui: SimulatorProcess, request_: GenerationRequest
) -> None:
    with pytest.raises(UnsupportedParameter):
        made(request_, **KINDS)

    assert not web_ui.calls()


def test_a_server_older_than_schedulers_is_not_asked_for_one(answer: SpooledAnswer) -> None:
    request = replace(REQUEST, parameters={"scheduler": "Karras"})
    with pytest.raises(UnsupportedParameter):
        sent(answer, request, reply=http_answer(b"{}", status="404 Not Found"))


def test_forge_has_a_scale_of_its_own(answer: SpooledAnswer) -> None:
    request = replace(REQUEST, parameters={"distilled_cfg_scale": 3.5})
    body, _ = sent(answer, request, is_forge=True)

    assert body["distilled_cfg_scale"] == 3.5


def test_seeds_checkpoint_and_sampler_are_read(made: Callable[..., Any]) -> None:
    result = made(replace(REQUEST, count=2, seed=40, parameters={"sampler": "Euler"}))

    assert [image.seed for image in result.images] == [40, 41]
    # Those of both images.
    assert result.usage.steps == 40
    assert result.model_version == "sd_xl_base_1.0 [31e35c80fc]"
    assert result.resolved == {"sampler": "Euler"}


def test_the_maps_of_guides_are_no_images_of_the_answer(made: Callable[..., Any]) -> None:
    result = made(altered(Operation.CONTROL, CONTROL, count=2), **KINDS)

    assert len(result.images) == 2


def test_an_answer_without_info_has_its_images(answer: SpooledAnswer) -> None:
    for info in ("", "no JSON", "[1]", 7, None, '{"all_seeds": "x", "sd_model_name": 3}'):
        body = json.dumps({"images": [IMAGE, IMAGE], "info": info}).encode()
        _, result = sent(answer, REQUEST, reply=http_answer(body))
        # Nobody asked for the second one.
        assert [image.data for image in result.images] == [b"\x89PNG image"]


def test_an_answer_without_images_is_a_bad_response(answer: SpooledAnswer) -> None:
    unusable: tuple[Any, ...] = ({}, {"images": []}, {"images": None}, {"images": [3]}, [])
    for document in unusable:
        with pytest.raises(BadResponse):
            sent(answer, REQUEST, reply=http_answer(json.dumps(document).encode()))


@pytest.mark.parametrize(
    ("status", "document", "expected"),
    [
        ("500 No", {"error": "OutOfMemoryError", "errors": "CUDA out of memory"}, InvalidRequest),
        ("500 No", {"error": "HTTPException", "detail": "Invalid encoded image"}, InvalidRequest),
        ("500 No", {"error": "RuntimeError", "errors": "a canary"}, ProviderUnavailable),
        # Not the server's own: a proxy does not know what became of the call.
        ("500 No", {}, OutcomeUnknown),
        ("502 No", {"error": "RuntimeError"}, OutcomeUnknown),
        ("400 No", {"error": "HTTPException", "detail": "Sampler not found"}, InvalidRequest),
        ("401 No", {"error": "HTTPException", "detail": "Incorrect"}, AuthenticationFailed),
        ("404 No", {"detail": "Not Found"}, NotFound),
        ("422 No", {"detail": [{"loc": ["body", "steps"]}]}, InvalidRequest),
    ],
)
def test_failures_are_sorted_by_status_and_exception(
    answer: SpooledAnswer, status: str, document: dict[str, Any], expected: type[ProviderError]
) -> None:
    reply = http_answer(json.dumps(document).encode(), status=status)
    with pytest.raises(expected) as caught:
        sent(answer, REQUEST, reply=reply)

    assert type(caught.value) is expected
    assert "canary" not in f"{caught.value} {caught.value.detail}"


@pytest.mark.parametrize("options", [{"user": "someone"}, {}])
def test_the_password_of_another_user_form_is_what_was_configured(
    credential: Credential, answer: SpooledAnswer, options: dict[str, Any]
) -> None:
    pair = f"someone:{KEY}" if options else KEY
    expected = f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}".encode()

    async def run() -> bytes:
        async with raw_server(answering(http_answer(b"[]"))) as server:
            async with HttpClient(trusted_origins=frozenset({server.url})) as http:
                adapter = registry.build(
                    "automatic1111",
                    base_url=server.url,
                    credential=credential,
                    http=http,
                    options=options,
                )
                with pytest.raises(UnsupportedParameter):
                    await adapter.submit(REQUEST, answer=answer)
            return server.requests[0]

    assert expected in asyncio.run(run())


def test_a_server_without_passwords_is_called_without_one(answer: SpooledAnswer) -> None:
    _, result = sent(answer, REQUEST)

    assert len(result.images) == 1
