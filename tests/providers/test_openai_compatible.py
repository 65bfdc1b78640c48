"""Servers that copy OpenAI's Images API: what each is sent, and what its answers mean."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image

from imagegen_app.core.errors import (
    AuthenticationFailed,
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
from imagegen_app.core.types import Cost, GenerationRequest, Operation, Size
from imagegen_app.providers import registry, remote
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.http import HttpClient, HttpLimits
from imagegen_app.testing.simulator import forms
from tests.providers.samples import a_mask, a_request, an_input, answering, http_answer, raw_server

SIZE = (512, 512)
REQUEST = a_request(model="flux", size=Size(*SIZE), end_user="")
PICTURE = an_input(size=SIZE)
MASK = a_mask((0, 0, 128, 128), size=SIZE)
IMAGE = base64.b64encode(b"\x89PNG image").decode()
ONE = {"created": 1, "data": [{"b64_json": IMAGE}]}
LOADED = [{"model_name": "flux", "filename": "sd"}]
LOCAL = ("localai", "sglang", "stable_diffusion_cpp", "vllm_omni")
EVIL = "a <lora:x:1> mug <sd_cpp_extra_args>{}</sd_cpp_extra_args> __w__"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    remote.forget()
    yield
    remote.forget()


def asked(**changes: Any) -> GenerationRequest:
    return replace(REQUEST, **changes)


def called(
    answer: SpooledAnswer,
    profile: str,
    request: GenerationRequest,
    *,
    document: Any = None,
    status: str = "200 OK",
    headers: tuple[str, ...] = (),
    raw: bytes | None = None,
) -> tuple[bytes, Any, Any]:
    """Make a call to a server that gives one answer; return the call, submission and result."""
    body = json.dumps(ONE if document is None else document).encode() if raw is None else raw
    reply = http_answer(body, status=status, headers=headers)
    # The one server that is asked before what it has loaded.
    is_asked = profile == "stable_diffusion_cpp"
    before = [http_answer(json.dumps(LOADED).encode())] if is_asked else []

    async def run() -> tuple[bytes, Any, Any]:
        async with raw_server(answering(*before, reply)) as server:
            async with HttpClient(
                trusted_origins=frozenset({server.url}),
                limits=HttpLimits(connect=60, read=60, total=120),
            ) as http:
                provider = registry.build(
                    "openai_compatible",
                    base_url=f"{server.url}/v1",
                    http=http,
                    options={"profile": profile},
                )
                submission = await provider.submit(request, answer=answer)
            return server.requests[-1], submission, provider.read_answer(answer)

    return asyncio.run(run())


def json_of(sent: bytes) -> Any:
    return json.loads(sent.partition(b"\r\n\r\n")[2])


def form_of(sent: bytes) -> forms.Form:
    head, _, body = sent.partition(b"\r\n\r\n")
    line = next(one for one in head.split(b"\r\n") if one.lower().startswith(b"content-type:"))
    return forms.parse(body, content_type=line.partition(b":")[2].strip().decode())


@pytest.mark.parametrize(
    ("profile", "extra"),
    [
        ("localai", {"response_format": "b64_json"}),
        ("sglang", {"response_format": "b64_json", "seed": 7}),
        ("stable_diffusion_cpp", {"output_format": "png"}),
        ("vllm_omni", {"response_format": "b64_json", "seed": 7, "output_format": "png"}),
    ],
)
def test_a_generation_holds_what_its_server_knows(
    answer: SpooledAnswer, profile: str, extra: dict[str, Any]
) -> None:
    seed = extra.get("seed")
    sent, _, _ = called(answer, profile, asked(count=2, seed=seed))

    common = {"model": "flux", "prompt": REQUEST.prompt, "n": 2, "size": "512x512"}
    assert sent.startswith(b"POST /v1/images/generations HTTP")
    assert b"authorization" not in sent.lower()
    assert json_of(sent) == common | extra


@pytest.mark.parametrize("profile", LOCAL)
def test_a_prompt_commands_no_server(answer: SpooledAnswer, profile: str) -> None:
    sent, _, _ = called(answer, profile, asked(prompt=EVIL))

    assert json_of(sent)["prompt"] == "a mug w"


def test_another_model_than_the_loaded_one_is_refused_before_the_call(
    answer: SpooledAnswer,
) -> None:
    with pytest.raises(UnsupportedParameter) as refusal:
        called(answer, "stable_diffusion_cpp", asked(model="sd-turbo"))

    assert "model" in refusal.value.detail


def test_a_bar_starts_no_negative_prompt_of_its_own(answer: SpooledAnswer) -> None:
    request = asked(prompt="a mug | none", negative_prompt="fog | rain")
    sent, _, result = called(answer, "localai", request)

    assert json_of(sent)["prompt"] == "a mug   none|fog   rain"
    assert result.resolved["prompt"] == "cleaned"
    assert "negative_prompt" not in json_of(sent)


@pytest.mark.parametrize("profile", ["sglang", "vllm_omni"])
def test_a_seed_is_always_sent_and_told(answer: SpooledAnswer, profile: str) -> None:
    sent, _, result = called(answer, profile, REQUEST)
    again, _, _ = called(answer, profile, REQUEST)

    seed = json_of(sent)["seed"]
    assert result.images[0].seed == seed
    assert json_of(again)["seed"] == seed


def test_parameters_have_the_names_of_the_server(answer: SpooledAnswer) -> None:
    parameters = {"steps": 28, "guidance": 4.5, "true_guidance": 2}
    vllm, _, _ = called(answer, "vllm_omni", asked(parameters=parameters, negative_prompt="fog"))
    local, _, _ = called(answer, "localai", asked(parameters={"steps": 9}))

    assert json_of(vllm)["num_inference_steps"] == 28
    assert (json_of(vllm)["guidance_scale"], json_of(vllm)["true_cfg_scale"]) == (4.5, 2)
    assert json_of(vllm)["negative_prompt"] == "fog"
    assert json_of(local)["step"] == 9


def test_localai_is_sent_an_image_as_base64_alone(answer: SpooledAnswer) -> None:
    request = asked(operation=Operation.EDIT, inputs=(PICTURE,))
    sent, _, _ = called(answer, "localai", request)

    assert sent.startswith(b"POST /v1/images/generations HTTP")
    assert json_of(sent)["file"] == PICTURE.base64_text


@pytest.mark.parametrize(
    ("profile", "model", "part"),
    [("stable_diffusion_cpp", "sd", "mask"), ("vllm_omni", "FLUX.2-Klein-4B", "mask_image")],
)
def test_a_mask_is_grey_and_white_where_the_image_changes(
    answer: SpooledAnswer, profile: str, model: str, part: str
) -> None:
    request = asked(operation=Operation.INPAINT, model=model, inputs=(PICTURE, MASK))
    sent, _, _ = called(answer, profile, request)
    name, _, data = form_of(sent).files[-1]

    assert sent.startswith(b"POST /v1/images/edits HTTP")
    assert name == part
    with Image.open(io.BytesIO(data)) as mask:
        assert (mask.mode, mask.getpixel((5, 5)), mask.getpixel((400, 400))) == ("L", 255, 0)


@pytest.mark.parametrize(
    ("profile", "changes"),
    [
        ("sglang", {"operation": Operation.INPAINT, "inputs": (PICTURE, MASK)}),
        ("sglang", {"operation": Operation.EDIT, "inputs": (PICTURE, MASK)}),
        ("vllm_omni", {"operation": Operation.INPAINT, "inputs": (PICTURE, MASK)}),
        ("localai", {"operation": Operation.INPAINT, "inputs": (PICTURE, MASK)}),
        ("localai", {"operation": Operation.EDIT, "inputs": (PICTURE, PICTURE)}),
        ("localai", {"seed": 7}),
        ("localai", {"output_format": "webp"}),
        ("stable_diffusion_cpp", {"seed": 7}),
        ("stable_diffusion_cpp", {"negative_prompt": "fog"}),
        ("stable_diffusion_cpp", {"output_format": "webp"}),
        ("stable_diffusion_cpp", {"size": Size(8192, 512)}),
        ("litellm", {"operation": Operation.INPAINT, "inputs": (PICTURE, MASK)}),
        ("litellm", {"model": "gpt-image-1.5", "size": Size(1536, 864)}),
    ],
)
def test_what_a_server_would_ignore_is_refused_before_any_call(
    answer: SpooledAnswer, profile: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(UnsupportedParameter):
        called(answer, profile, asked(**changes))


def test_litellm_takes_what_openai_takes_for_its_models(answer: SpooledAnswer) -> None:
    of_name = registry.capabilities("openai_compatible", "site/gpt-image-1.5")
    assert of_name == registry.capabilities("openai", "gpt-image-1.5")

    request = asked(model="azure/gpt-image-2", size=Size(1024, 1024), end_user="h:1")
    sent, _, _ = called(answer, "litellm", request)
    assert json_of(sent)["model"] == "azure/gpt-image-2"
    assert json_of(sent)["user"] == "h:1"


@pytest.mark.parametrize(
    ("model", "text", "cost"),
    [
        ("flux", "0.042", Cost(Decimal("0.042"))),
        ("flux", "4e-05", Cost(Decimal("0.00004"))),
        ("flux", "0", Cost(Decimal(0))),
        ("flux", "", None),
        ("flux", "None", None),
        ("flux", "nan", None),
        ("flux", "-1", None),
        ("stability/inpaint", "0.005", None),
    ],
)
def test_the_cost_is_litellms_unless_it_is_none_or_known_to_be_wrong(
    answer: SpooledAnswer, model: str, text: str, cost: Cost | None
) -> None:
    request = asked(operation=Operation.EDIT, model=model, inputs=(PICTURE,))
    headers = (f"x-litellm-response-cost: {text}",) if text else ()
    _, _, result = called(answer, "litellm", request, headers=headers)

    assert result.reported_cost == cost


def test_the_call_and_a_fallback_are_told(answer: SpooledAnswer) -> None:
    named = ("x-litellm-call-id: call-1", "x-litellm-model-name: azure/studio")
    headers = (*named, "x-litellm-attempted-fallbacks: 1", "x-request-id: r")
    _, submission, result = called(answer, "litellm", REQUEST, headers=headers)
    assert submission.request_id == "call-1"
    assert result.resolved["fallbacks"] == "1"
    assert result.model_version == "azure/studio"

    none = ("x-litellm-attempted-fallbacks: 0", "x-request-id: r")
    _, submission, result = called(answer, "litellm", REQUEST, headers=none)
    assert submission.request_id == "r"
    assert "fallbacks" not in result.resolved
    assert not result.model_version


def test_the_model_that_the_answer_names_goes_before_the_proxys(answer: SpooledAnswer) -> None:
    _, _, result = called(
        answer,
        "litellm",
        REQUEST,
        document=ONE | {"model": "gpt-image-9"},
        headers=("x-litellm-model-name: azure/studio",),
    )

    assert result.model_version == "gpt-image-9"


@pytest.mark.parametrize("profile", LOCAL)
@pytest.mark.parametrize("where", ["prompt", "negative_prompt"])
def test_that_a_text_was_cleaned_is_told(answer: SpooledAnswer, profile: str, where: str) -> None:
    if where == "negative_prompt" and profile == "stable_diffusion_cpp":
        return
    _, _, cleaned = called(answer, profile, asked(**{where: EVIL}))

    assert cleaned.resolved["prompt"] == "cleaned"


def test_that_nothing_was_cleaned_is_not_told(answer: SpooledAnswer) -> None:
    _, _, plain = called(answer, "localai", REQUEST)

    assert "prompt" not in plain.resolved


def error(message: str = "", kind: str = "", code: Any = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


#: What LiteLLM makes of refusals of the providers behind it: it hands on their texts, not their codes.
REJECTED = "Your request was rejected by the safety system. canary safety_violations=[sexual]."
SPENT = "You exceeded your current quota, please check your plan and billing details."
LIMITED = "litellm.RateLimitError: RateLimitError: "
PER_DAY = "GeminiException - {'quotaId': 'GenerateRequestsPerDayPerProject'}"


@pytest.mark.parametrize(
    ("status", "document", "expected"),
    [
        (
            "400 No",
            error(f"litellm.BadRequestError: OpenAIException - {REJECTED}", code="400"),
            ContentBlocked,
        ),
        (
            "400 No",
            error(f"litellm.BadRequestError: OpenAIException - canary {REJECTED}"),
            InvalidRequest,
        ),
        ("429 No", error(f"{LIMITED}OpenAIException - {SPENT}", "None", "429"), QuotaExhausted),
        ("429 No", error(f"{LIMITED}GeminiException - {SPENT}", "None", "429"), RateLimited),
        ("429 No", error(f"{LIMITED}{PER_DAY}", "None", "429"), QuotaExhausted),
        ("429 No", error(f"{LIMITED}OpenAIException - Rate limit", "None", "429"), RateLimited),
        (
            "400 No",
            error("litellm.BadRequestError: OpenAIException - Billing hard limit has been reached"),
            QuotaExhausted,
        ),
        ("400 No", error("", "image_content_safety", "content_safety_violation"), ContentBlocked),
        ("400 No", error("ContentPolicyViolationError: canary", code="400"), ContentBlocked),
        (
            "400 No",
            error("litellm.BadRequestError: litellm.ContentPolicyViolationError: canary"),
            ContentBlocked,
        ),
        ("400 No", error("my ContentPolicyViolationError: canary", code="400"), InvalidRequest),
        ("400 No", error("Budget", "budget_exceeded", "400"), QuotaExhausted),
        ("429 No", error("Budget", "budget_exceeded", "429"), QuotaExhausted),
        ("429 No", error("litellm.BudgetExceededError: canary", code="429"), QuotaExhausted),
        (
            "429 No",
            error("No deployments available - crossed budget: canary", "None", "429"),
            QuotaExhausted,
        ),
        (
            "400 No",
            error("Authentication Error, ExceededBudget: User=canary", "auth_error", "400"),
            QuotaExhausted,
        ),
        (
            "400 No",
            error("litellm.BadRequestError: OpenAIException - Budget has been exceeded! canary"),
            QuotaExhausted,
        ),
        ("404 No", {"detail": "Not Found"}, NotFound),
        ("422 No", {"detail": [{"loc": ["body", "image"], "msg": "canary"}]}, InvalidRequest),
        ("429 No", error("No deployments", "rate_limit_error", "429"), RateLimited),
        ("429 No", error("No deployments", "None", "429"), RateLimited),
        ("503 No", error("busy", "service_unavailable_error", "503"), ProviderUnavailable),
        ("400 No", error("Model mismatch", "Bad Request", 400), InvalidRequest),
        ("401 No", {"error": "Unauthorized"}, AuthenticationFailed),
        ("400 No", {"detail": "response_format='url' requires"}, InvalidRequest),
        ("422 No", {"detail": "Field 'image' or 'url' is required"}, InvalidRequest),
        ("429 No", {"error": "job queue is full"}, RateLimited),
        ("500 No", {"error": "server_error", "message": "canary"}, OutcomeUnknown),
        ("503 No", error("model is loading", code=503), ProviderUnavailable),
    ],
)
def test_refusals_of_all_servers_are_sorted(
    answer: SpooledAnswer, status: str, document: Any, expected: type[ProviderError]
) -> None:
    with pytest.raises(expected) as caught:
        called(answer, "litellm", REQUEST, document=document, status=status)

    assert type(caught.value) is expected
    assert "canary" not in f"{caught.value} {caught.value.detail}"


def test_errors_without_json_and_without_a_body_are_sorted(answer: SpooledAnswer) -> None:
    for raw in (b"", b"Internal Server Error"):
        with pytest.raises(OutcomeUnknown):
            called(answer, "sglang", REQUEST, raw=raw, status="500 No")


def test_a_path_at_the_server_is_not_kept(answer: SpooledAnswer) -> None:
    item = {"b64_json": IMAGE, "revised_prompt": "a cup", "file_path": "/srv/outputs/a.png"}
    _, submission, result = called(answer, "sglang", REQUEST, document={"data": [item]})

    assert "/srv" not in f"{submission} {result}"
