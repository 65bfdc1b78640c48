"""What servers say of their models, as the adapters read it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from imagegen_app.core.capability_overrides import changes_between, overridden
from imagegen_app.core.errors import AuthenticationFailed, ProviderUnavailable
from imagegen_app.core.model_descriptions import MAX_MODELS, ModelDescription
from imagegen_app.core.types import Operation
from imagegen_app.providers import registry
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import HttpClient, HttpLimits
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.providers.conftest import KEY
from tests.providers.samples import answering, http_answer, raw_server

LIMITS = HttpLimits(connect=60, read=60, total=120)


def asked(
    simulator: SimulatorProcess,
    credential: Credential,
    path: str,
    *,
    model: str,
    adapter: str = "openai_compatible",
    **options: Any,
) -> ModelDescription:
    """Return what a server of the simulator says of a model."""

    async def run() -> Any:
        origins = frozenset({simulator.base_url})
        async with HttpClient(trusted_origins=origins, limits=LIMITS) as http:
            built: Any = registry.build(
                adapter,
                base_url=simulator.base_url + path,
                credential=credential,
                http=http,
                options=options,
            )
            return await built.describe_model(model)

    found: ModelDescription = asyncio.run(run())
    return found


def told(
    *answers: bytes,
    model: str,
    adapter: str = "openai_compatible",
    credential: Credential | None = None,
    **options: Any,
) -> Any:
    """Return what a server that gives these answers says of a model, and what it was asked."""

    async def run() -> Any:
        async with raw_server(answering(*answers)) as server:
            async with HttpClient(trusted_origins=frozenset({server.url}), limits=LIMITS) as http:
                built: Any = registry.build(
                    adapter,
                    base_url=f"{server.url}/v1",
                    http=http,
                    credential=credential,
                    options=options,
                )
                found = await built.describe_model(model)
            return found, [one.split(b" HTTP", 1)[0].decode() for one in server.requests]

    return asyncio.run(run())


def answer(document: Any, status: str = "200 OK") -> bytes:
    return http_answer(json.dumps(document).encode(), status=status)


@pytest.mark.parametrize(
    ("profile", "path", "model"),
    [
        ("litellm", "/litellm/v1", "gpt-image-2"),
        ("localai", "/localai/v1", "flux.1-dev"),
        ("sglang", "/sglang/v1", "Qwen-Image"),
        ("stable_diffusion_cpp", "/sd-cpp/v1", "sd"),
        ("vllm_omni", "/vllm-omni/v1", "FLUX.2-klein-4B"),
    ],
)
def test_each_server_tells_whether_it_has_a_model(
    simulator: SimulatorProcess, credential: Credential, profile: str, path: str, model: str
) -> None:
    has = asked(simulator, credential, path, model=model, profile=profile)
    lacks = asked(simulator, credential, path, model="another", profile=profile)

    assert (has.is_known, has.problems) == (True, ())
    assert (lacks.is_known, lacks.capabilities) == (False, None)
    assert model in lacks.models


def test_what_stands_behind_a_name_at_litellm_tells_what_it_can_do(
    simulator: SimulatorProcess, credential: Credential
) -> None:
    named = asked(simulator, credential, "/litellm/v1", model="studio", profile="litellm")
    known = registry.capabilities("openai_compatible", "studio")

    assert named.capabilities is not None
    assert Operation.OUTPAINT in named.capabilities.operations - known.operations
    changes = changes_between(known, named.capabilities)
    assert Operation.OUTPAINT in overridden(known, changes).operations


@pytest.mark.parametrize(
    ("profile", "model", "kind"), [("litellm", "chat", "chat"), ("localai", "whisper-1", "text")]
)
def test_a_model_that_makes_no_images_is_told(
    simulator: SimulatorProcess, credential: Credential, profile: str, model: str, kind: str
) -> None:
    found = asked(simulator, credential, f"/{profile}/v1", model=model, profile=profile)

    assert str(found.problems[0]) == (
        f"The server says that this model makes no images, but: {kind}."
    )


@pytest.mark.parametrize(
    ("task", "operations"),
    [
        ("T2I", {Operation.GENERATE}),
        ("I2I", {Operation.EDIT}),
        ("TI2I", {Operation.GENERATE, Operation.EDIT}),
        ("T2V", None),
    ],
)
def test_a_task_of_sglang_tells_the_operations(task: str, operations: Any) -> None:
    found, _ = told(answer({"data": [{"id": "m", "task_type": task}]}), model="m", profile="sglang")

    if operations is None:
        assert found.capabilities is None
        assert "T2V" in str(found.problems[0])
    else:
        assert found.capabilities.operations == operations


@pytest.mark.parametrize(
    ("profile", "first"), [("litellm", "/v1/model/info"), ("localai", "/v1/models/capabilities")]
)
@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden"])
def test_an_older_server_or_a_lesser_key_still_lists_its_models(
    profile: str, first: str, status: str
) -> None:
    found, calls = told(
        answer({}, status), answer({"data": [{"id": "m"}]}), model="m", profile=profile
    )

    assert found.is_known
    assert calls == [f"GET {first}", "GET /v1/models"]


@pytest.mark.parametrize(
    "document", [[], {}, {"data": 3}, {"data": [3, {}, {"id": 7}, {"id": ""}]}, None]
)
@pytest.mark.parametrize(
    "profile", ["litellm", "localai", "sglang", "stable_diffusion_cpp", "vllm_omni"]
)
def test_an_odd_answer_names_no_models(profile: str, document: Any) -> None:
    found, _ = told(answer(document), model="m", profile=profile)

    assert (found.is_known, found.models, found.capabilities) == (False, (), None)


def test_an_answer_that_is_none_is_no_description() -> None:
    with pytest.raises(ProviderUnavailable):
        told(http_answer(b"<html>"), model="m", profile="vllm_omni")
    with pytest.raises(AuthenticationFailed):
        told(answer({"error": "Unauthorized"}, "401 No"), model="m", profile="vllm_omni")


def test_a_long_list_and_an_echoed_key_are_cut(credential: Credential) -> None:
    credential.values()
    names = [KEY, "line\nbreak", *(f"m{n}" for n in range(MAX_MODELS))]

    found, _ = told(
        answer({"data": [{"id": name} for name in names]}), model="m1", profile="vllm_omni"
    )

    assert found.is_known
    assert len(found.models) == MAX_MODELS
    assert not any(KEY in name or "\n" in name for name in found.models)


def test_stable_diffusion_cpp_tells_its_choices_and_limits(
    simulator: SimulatorProcess, credential: Credential
) -> None:
    common: Any = {"adapter": "stable_diffusion_cpp"}
    found = asked(simulator, credential, "/sd-cpp", model="sd_xl_base_1.0", **common)
    other = asked(simulator, credential, "/sd-cpp", model="another", **common)

    assert (found.is_known, other.is_known) == (True, False)
    assert found.capabilities is not None
    parameters = found.capabilities.parameters
    assert parameters["sampler"].choices == ("euler", "euler_a", "dpm++2m")
    assert parameters["scheduler"].kind == "choice"
    known = registry.capabilities("stable_diffusion_cpp", "sd_xl_base_1.0")
    changes = changes_between(known, found.capabilities)
    assert changes.keys() == {"parameters"}
    assert overridden(known, changes) == found.capabilities


def test_stable_diffusion_cpp_without_a_name_or_images_says_so() -> None:
    document = {
        "model": {"name": "", "stem": ""},
        "supported_modes": ["vid_gen"],
        "samplers": ["x" * 500],
        "limits": {"max_width": -1},
    }

    found, _ = told(answer(document), model="m", adapter="stable_diffusion_cpp")

    assert found.is_known is None
    assert "vid_gen" in str(found.problems[0])


def test_the_web_ui_tells_its_checkpoints_samplers_and_upscalers(
    simulator: SimulatorProcess, credential: Credential
) -> None:
    common: Any = {"adapter": "automatic1111", "user": "studio"}
    found = asked(simulator, credential, "", model="sd_xl_base_1.0", **common)

    assert found.is_known
    assert found.capabilities is not None
    sampler = found.capabilities.parameters["sampler"]
    assert (sampler.kind, sampler.default) == ("choice", "Euler a")
    assert found.capabilities.parameters["scheduler"].choices == ("Automatic", "Karras")
    assert "R-ESRGAN 4x+" in found.capabilities.parameters["upscaler"].choices
    assert found.capabilities.parameters["upscaler"].operations == {Operation.UPSCALE}
    assert found.capabilities.parameters["restorer"].choices == ("CodeFormer", "GFPGAN")


RECRAFT = {
    "data": [
        {
            "id": "recraftv4_1",
            "name": "Recraft V4.1",
            "output_modalities": ["image"],
            "pricing": {"image": "0.035"},
        },
        {"id": "texts", "name": "Texts", "output_modalities": ["text"], "pricing": {"image": "-1"}},
    ]
}


def test_recraft_names_the_price_of_an_image(credential: Credential) -> None:
    def recraft(model: str) -> Any:
        found, asked_for = told(
            answer(RECRAFT), model=model, adapter="recraft", credential=credential
        )
        assert asked_for == ["GET /v1/models"]
        return found

    image, text, none = (recraft(name) for name in ("recraftv4_1", "texts", "other"))

    assert (image.label, image.problems, image.unknown) == ("Recraft V4.1", (), ())
    assert image.price_list["per_image"] == [{"amount": "0.035"}]
    assert image.price_list["source"].endswith("/v1/models")
    assert (text.price_list, len(text.unknown), len(text.problems)) == ({}, 1, 1)
    assert not none.is_known
    assert none.models == ("recraftv4_1", "texts")
