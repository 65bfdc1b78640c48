"""The OpenAI adapter against the simulator, over a real socket."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from imagegen_app.core.errors import (
    AnswerCutOff,
    AuthenticationFailed,
    BadResponse,
    ContentBlocked,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    UnsupportedParameter,
)
from imagegen_app.core.types import (
    Call,
    GenerationRequest,
    InputRole,
    Operation,
    Size,
    SubmissionStatus,
)
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.families import masks
from imagegen_app.providers.http import HttpClient
from imagegen_app.testing.simulator import forms
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.providers.samples import a_mask, a_request, an_input, answering, http_answer, raw_server

Submit = Callable[..., Any]


@pytest.fixture
def submit(
    client: Callable[..., HttpClient], build: Callable[..., Any], answer: SpooledAnswer
) -> Submit:
    """Submit a request and read its answer."""

    def make(request: GenerationRequest, **limits: Any) -> Any:
        async def run() -> Any:
            async with client(**limits) as http:
                provider = build("openai", http)
                submission = await provider.submit(request, answer=answer)
                assert submission.status is SubmissionStatus.ANSWERED
                assert submission.request_id.startswith("req_")
                return provider.read_answer(answer)

        return asyncio.run(run())

    return make


def test_images_are_made_billed_and_read(submit: Submit, simulator: SimulatorProcess) -> None:
    result = submit(a_request(count=2, quality="low", output_format="webp", size=Size(1536, 864)))

    images = [Image.open(io.BytesIO(i.data)) for i in result.images]
    assert [(i.format, i.size) for i in images] == [("WEBP", (1536, 864))] * 2
    assert result.resolved["quality"] == "low"
    assert result.usage.output_image_tokens > 0
    assert simulator.bill()["images"] == 2


@pytest.mark.parametrize(
    ("kind", "fault", "expected", "billed"),
    [
        ("status", {"status": 400}, InvalidRequest, 0),
        ("status", {"status": 401}, AuthenticationFailed, 0),
        ("status", {"status": 404, "code": "model_not_found"}, NotFound, 0),
        ("status", {"status": 429, "retry_after": "7"}, RateLimited, 0),
        ("status", {"status": 500}, OutcomeUnknown, 0),
        ("status", {"status": 502}, OutcomeUnknown, 0),
        ("status", {"status": 503}, ProviderUnavailable, 0),
        ("status", {"status": 504}, OutcomeUnknown, 0),
        ("quota", {}, QuotaExhausted, 0),
        ("moderation_block", {}, ContentBlocked, 0),
        ("html", {}, BadResponse, 1),
        ("not_json", {}, BadResponse, 1),
        ("truncated_base64", {}, BadResponse, 1),
        ("error_in_200", {}, BadResponse, 1),
        ("error_in_200", {"code": "moderation_blocked"}, ContentBlocked, 1),
        ("missing_data", {}, BadResponse, 1),
        ("half_answer", {}, AnswerCutOff, 1),
        ("disconnect", {}, OutcomeUnknown, 1),
        ("disconnect_early", {}, OutcomeUnknown, 0),
    ],
)
def test_every_failure_becomes_the_right_error(  # noqa: PLR0917 - a table
    submit: Submit,
    simulator: SimulatorProcess,
    kind: str,
    fault: dict[str, Any],
    expected: type[ProviderError],
    billed: int,
) -> None:
    # A 401 is met once for each live value of the credential.
    simulator.fail(kind, **fault)

    with pytest.raises(expected) as caught:
        submit(a_request(prompt="a canary prompt"))

    assert type(caught.value) is expected
    assert "canary" not in str(caught.value) + caught.value.detail
    assert simulator.bill()["images"] == billed
    assert not (caught.value.billed == "no" and billed)


def test_a_rate_limit_carries_its_wait(submit: Submit, simulator: SimulatorProcess) -> None:
    simulator.fail("status", status=429, retry_after="7")

    with pytest.raises(RateLimited) as caught:
        submit(a_request())

    assert caught.value.retry_after == 7.0


def test_a_block_tells_stage_and_categories(submit: Submit, simulator: SimulatorProcess) -> None:
    simulator.fail("moderation_block", stage="output", categories=["sexual", "violence"])

    with pytest.raises(ContentBlocked) as caught:
        submit(a_request())

    assert (caught.value.stage, caught.value.categories) == ("output", ("sexual", "violence"))


def test_silence_is_an_unknown_outcome_that_was_billed(
    submit: Submit, simulator: SimulatorProcess
) -> None:
    from imagegen_app.providers.http import HttpLimits  # noqa: PLC0415

    simulator.fail("silence", seconds=5)

    with pytest.raises(OutcomeUnknown):
        submit(a_request(), limits=HttpLimits(read=0.2))

    assert simulator.bill()["images"] == 1


@pytest.mark.parametrize("kind", ["huge_png", "svg", "animated_gif"])
def test_strange_images_are_handed_on_undecoded(
    submit: Submit, simulator: SimulatorProcess, kind: str
) -> None:
    simulator.fail(kind)

    result = submit(a_request())

    assert result.images[0].data[:4] in {b"\x89PNG", b"<svg", b"GIF8"}


def test_fewer_images_are_visible(submit: Submit, simulator: SimulatorProcess) -> None:
    simulator.fail("fewer_images")

    result = submit(a_request(count=3))

    assert result.resolved["count"] == "1 of 3"


def test_a_wrong_key_is_refused(
    client: Callable[..., HttpClient],
    simulator: SimulatorProcess,
    answer: SpooledAnswer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WRONG", "sk-wrong-0123456789")
    credential = Credential("c", ("env:WRONG",), frozenset({"127.0.0.1"}))

    async def run() -> None:
        async with client() as http:
            provider = registry.build(
                "openai", base_url=simulator.openai_url, credential=credential, http=http
            )
            await provider.submit(a_request(), answer=answer)

    with pytest.raises(AuthenticationFailed):
        asyncio.run(run())


def on_the_wire(request: GenerationRequest, answer: SpooledAnswer, credential: Credential) -> bytes:
    """Return the bytes that a submit sends."""

    async def run() -> bytes:
        reply = http_answer(b'{"data": [{"b64_json": "AAAA"}]}')
        async with raw_server(answering(reply)) as server:
            async with HttpClient(trusted_origins=frozenset({server.url})) as http:
                provider = registry.build(
                    "openai",
                    base_url=server.url + "/v1",
                    credential=credential,
                    http=http,
                    options={"organization": "org-1"},
                )
                await provider.submit(request, answer=answer)
            return server.requests[0]

    return asyncio.run(run())


def test_a_generation_says_all_that_was_chosen(
    answer: SpooledAnswer, credential: Credential
) -> None:
    request = a_request(
        count=2,
        quality="xhigh",
        output_format="webp",
        background="opaque",
        parameters={"output_compression": 85, "moderation": "low", "complexity": "high"},
    )

    head, _, body = on_the_wire(request, answer, credential).partition(b"\r\n\r\n")

    assert head.startswith(b"POST /v1/images/generations HTTP/1.1\r\n")
    assert b"OpenAI-Organization: org-1" in head
    assert json.loads(body) == {
        "model": "gpt-image-2.6-flare",
        "prompt": request.prompt,
        "n": 2,
        "size": "1024x1024",
        "quality": "xhigh",
        "output_format": "webp",
        "background": "opaque",
        "output_compression": 85,
        "moderation": "low",
        "complexity": "high",
        "safety_identifier": request.end_user,
    }


def form_of(
    request: GenerationRequest, answer: SpooledAnswer, credential: Credential
) -> forms.Form:
    head, _, body = on_the_wire(request, answer, credential).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/images/edits HTTP/1.1\r\n")
    line = next(x for x in head.decode().split("\r\n") if x.lower().startswith("content-type:"))
    return forms.parse(body, content_type=line.partition(":")[2].strip())


def test_one_image_goes_as_image_and_several_as_a_list(
    new_answer: Callable[[], SpooledAnswer], credential: Credential
) -> None:
    edit = a_request(operation=Operation.EDIT, inputs=(an_input(),))
    blend = a_request(
        operation=Operation.EDIT,
        inputs=(an_input(), an_input(role=InputRole.REFERENCE)),
    )

    one = form_of(edit, new_answer(), credential)
    two = form_of(blend, new_answer(), credential)

    assert [name for name, _, _ in one.files] == ["image"]
    assert [name for name, _, _ in two.files] == ["image[]", "image[]"]
    assert {kind for _, kind, _ in (*one.files, *two.files)} == {"image/png"}
    assert one.fields["n"] == "1"


def test_our_mask_becomes_a_transparent_hole(answer: SpooledAnswer, credential: Credential) -> None:
    request = a_request(
        operation=Operation.INPAINT, inputs=(an_input(), a_mask((100, 100, 200, 200)))
    )

    form = form_of(request, answer, credential)

    (data,) = [data for name, _, data in form.files if name == "mask"]
    alpha = masks.open_image(data).getchannel("A")
    assert alpha.getpixel((150, 150)) == 0
    assert alpha.getpixel((10, 10)) == 255


def test_outpainting_pads_the_canvas_and_masks_the_new_part(
    answer: SpooledAnswer, credential: Credential
) -> None:
    request = a_request(
        operation=Operation.OUTPAINT,
        inputs=(an_input(),),
        size=Size(1536, 1024),
        parameters={"anchor": "left"},
    )

    form = form_of(request, answer, credential)

    images = {name: masks.open_image(data) for name, _, data in form.files}
    assert images["image"].size == images["mask"].size == (1536, 1024)
    assert images["mask"].getchannel("A").getpixel((1500, 500)) == 0
    assert images["mask"].getchannel("A").getpixel((10, 500)) == 255
    assert "anchor" not in form.fields


def test_removing_the_background_asks_for_transparency(
    answer: SpooledAnswer, credential: Credential
) -> None:
    request = a_request(operation=Operation.REMOVE_BACKGROUND, inputs=(an_input(),), prompt="")

    form = form_of(request, answer, credential)

    assert form.fields["background"] == "transparent"
    assert form.fields["prompt"]
    assert "size" not in form.fields


def test_the_same_edit_is_the_same_bytes(
    new_answer: Callable[[], SpooledAnswer], credential: Credential
) -> None:
    edit = a_request(operation=Operation.EDIT, inputs=(an_input(),))

    first, second = (
        on_the_wire(edit, new_answer(), credential).partition(b"\r\n\r\n")[2] for _ in range(2)
    )

    assert first == second


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ("gpt-image-2.6-flare", {"size": Size(1000, 1000)}),
        ("gpt-image-2.6-flare", {"size": Size(512, 512)}),
        ("gpt-image-2.6-flare", {"size": Size(3840, 3840)}),
        ("gpt-image-2.6-flare", {"size": Size(3840, 1024)}),
        ("gpt-image-2.6-flare", {"size": Size(4096, 2048)}),
        ("gpt-image-2.6-flare", {"output_format": "svg"}),
        ("gpt-image-2.6-flare", {"output_format": "gif"}),
        ("gpt-image-2.6-flare", {"background": "transparent", "output_format": "jpeg"}),
        ("gpt-image-2.6-flare", {"seed": 7}),
        ("gpt-image-2.6-flare", {"negative_prompt": "hands"}),
        ("gpt-image-2.6-flare", {"count": 11}),
        ("gpt-image-2.6-flare", {"count": 0}),
        ("gpt-image-2.6-flare", {"prompt": "x" * 32_001}),
        ("gpt-image-2.6-flare", {"quality": "hd"}),
        ("gpt-image-2.6-flare", {"parameters": {"steps": 30}}),
        ("gpt-image-2.6-flare", {"parameters": {"moderation": "off"}}),
        ("gpt-image-2.6-flare", {"parameters": {"moderation": "low"}, "inputs": (an_input(),)}),
        ("gpt-image-2.6-flare", {"parameters": {"output_compression": 101}}),
        ("gpt-image-2.6-flare", {"parameters": {"output_compression": 50}}),
        ("gpt-image-2.6-flare", {"parameters": {"output_compression": ["x"]}}),
        ("gpt-image-2.6-flare", {"operation": Operation.UPSCALE, "inputs": (an_input(),)}),
        ("gpt-image-2.6-flare", {"operation": Operation.EDIT}),
        ("gpt-image-2.6-flare", {"operation": Operation.INPAINT, "inputs": (an_input(),)}),
        ("gpt-image-2.5-flare-2026-09-08", {"parameters": {"complexity": "low"}}),
        ("gpt-image-2-2026-04-21", {"quality": "max"}),
        ("gpt-image-1.5", {"size": Size(1536, 864)}),
        ("gpt-image-2", {"parameters": {"input_fidelity": "high"}}),
        ("someone-elses-model", {"quality": "xhigh"}),
    ],
)
def test_what_a_model_lacks_is_refused_before_anything_is_sent(
    submit: Submit, simulator: SimulatorProcess, model: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        submit(a_request(model=model, **changes))

    assert caught.value.detail
    assert simulator.calls() == {}


@pytest.mark.parametrize("data", [b"", b"no image", an_input().data[:300]])
def test_a_broken_input_is_refused_before_anything_is_sent(
    submit: Submit, simulator: SimulatorProcess, data: bytes
) -> None:
    from dataclasses import replace  # noqa: PLC0415

    mask = replace(a_mask((0, 0, 9, 9)), data=data)

    with pytest.raises(InvalidRequest):
        submit(a_request(operation=Operation.INPAINT, inputs=(an_input(), mask)))

    assert simulator.calls() == {}


def test_there_is_nothing_to_poll_cancel_look_up_or_verify(
    client: Callable[..., HttpClient], build: Callable[..., Any], answer: SpooledAnswer
) -> None:
    async def run() -> None:
        async with client() as http:
            provider = build("openai", http)
            assert await provider.cancel(Call("x")) == "not_offered"
            assert await provider.reconcile(Call(""), a_request(), answer=answer) is None
            with pytest.raises(NotFound):
                await provider.poll(Call("x"), answer=answer)
            with pytest.raises(AuthenticationFailed):
                await provider.verify_webhook({}, b"")

    asyncio.run(run())
