"""What is asked of a model changes the call, or is refused: over all lines of models that we know.

The contract checks it with the samples of each adapter; here are its other models and options.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imagegen_app.core.capabilities import Capabilities
from imagegen_app.core.capability_overrides import changes_between
from imagegen_app.core.errors import ProviderError
from imagegen_app.core.fitted_sizes import size_like
from imagegen_app.core.model_descriptions import ModelDescription
from imagegen_app.core.types import GenerationRequest, InputRole, Lora, Operation, Size
from imagegen_app.providers import registry
from imagegen_app.testing.contract import ContractBroken, asked_for, run_check
from imagegen_app.testing.contract.bench import Bench
from imagegen_app.testing.contract.checks import all_checks
from imagegen_app.testing.contract.our_samples import SAMPLES
from imagegen_app.testing.contract.planted import DroppedField, planted
from imagegen_app.testing.contract.samples import Samples, sample_image, sample_requests
from imagegen_app.testing.contract.suite import simulator_for
from imagegen_app.testing.simulator.process import SimulatorProcess
from imagegen_app.testing.simulator.protocols import replicate_models

CHECK = next(one for one in all_checks() if one.run is asked_for.what_is_asked_for_changes_the_call)
#: Beside those that the adapters name as examples.
MODELS: Mapping[str, tuple[str, ...]] = {
    "openai": ("gpt-image-2.5-flare", "gpt-image-2", "gpt-image-1.5", "gpt-image-1-mini"),
    "openai_compatible": ("stability/sd3", "gpt-image-1.5"),
    "openai_compatible-vllm_omni": ("Qwen-Image",),
    "gemini": ("gemini-3-pro-image", "gemini-3.1-flash-lite-image", "gemini-2.5-flash-image"),
    "xai": ("grok-imagine-image",),
    "bfl": (
        "flux-3-image",
        "flux-2-flex",
        "flux-2-klein-4b",
        "flux-kontext-pro",
        "flux-pro-1.1",
        "flux-pro-1.1-ultra",
        "flux-pro-1.1-ultra-finetuned",
        "flux-dev",
        "flux-pro-1.0-expand",
        "flux-pro-1.0-fill-finetuned",
    ),
    "fal": (
        "fal-ai/flux/dev/image-to-image",
        "fal-ai/flux-lora",
        "fal-ai/flux-lora/image-to-image",
        "fal-ai/flux-pro/v1/fill",
        "fal-ai/flux-pro/kontext",
        "fal-ai/flux-pro/v1.1",
        "fal-ai/flux-2-pro",
        "fal-ai/flux-2-pro/edit",
        "fal-ai/ideogram/v3",
        "fal-ai/ideogram/v3/edit",
        "fal-ai/nano-banana-2",
        "fal-ai/esrgan",
        "somebody/upscaler",
        "somebody/rembg",
        "somebody/inpaint",
        "somebody/edit",
        "somebody/thing",
    ),
    "ideogram": ("ideogram-4", "ideogram-3", "ideogram-3-character"),
    "recraft": ("recraftv2", "recraftv4_1_pro", "recraftv5"),
    "replicate": tuple(replicate_models.MODELS),
    "stability": ("sd3.5-large", "ultra", "control", "fast", "conservative"),
    "automatic1111": ("sd_xl_base_1.0",),
}
OPTIONS: Mapping[str, Mapping[str, Any]] = {"automatic1111": {"is_forge": True}}
#: Enough for every model: most input images have a least and a greatest size.
_INPUT = Size(512, 512)
_LARGER = {Operation.OUTPAINT: Size(640, 512), Operation.UPSCALE: Size(1024, 1024)}
_NEEDED = {Operation.REPLACE: "search_prompt", Operation.RECOLOUR: "select_prompt"}


def _models_of(name: str) -> list[str]:
    """Return the models to look at with the options of some samples."""
    samples = SAMPLES[name]
    examples = () if samples.variant else registry.describe(samples.adapter).example_models
    return list(dict.fromkeys((*MODELS.get(name, ()), *examples)))


CASES = [
    pytest.param(name, model, id=f"{name}-{model}")
    for name, samples in SAMPLES.items()
    if registry.describe(samples.adapter).is_remote
    for model in _models_of(name)
]


def samples_of(name: str, model: str, overrides: Mapping[str, Any]) -> Samples:
    """Return samples of another model, one for each of its operations."""
    samples = SAMPLES[name]
    samples = replace(
        samples,
        options={**samples.options, **OPTIONS.get(name, {})},
        overrides={model: overrides},
    )
    offered = samples.capabilities_of(model)
    made = sample_requests(offered.operations, model=model, size=_INPUT)
    return replace(
        samples,
        model=model,
        requests={
            operation: replace(
                request,
                size=size_like(_LARGER.get(operation, _INPUT), offered.sizes_for(operation)),
                output_format=offered.usual_format,
                **_needed(request, offered, model=model),
            )
            for operation, request in made.items()
        },
    )


def _needed(request: GenerationRequest, offered: Capabilities, *, model: str) -> dict[str, Any]:
    """Return what a call of the model must have."""
    found: dict[str, Any] = {}
    if _NEEDED.get(request.operation, "") in offered.parameters:
        found["parameters"] = {_NEEDED[request.operation]: "a mug"}
    if model.endswith("-finetuned"):
        found["loras"] = (Lora("mugs", 1.5),)
    if "style-transfer" in model:
        found["inputs"] = (*request.inputs, sample_image(_INPUT, role=InputRole.STYLE))
    return found


def described(
    samples: Samples, model: str, *, simulator: SimulatorProcess, folder: Path
) -> dict[str, Any]:
    """Return what an administrator who asks about a model would take over."""
    simulator.reset()
    bench = Bench(samples, simulator=simulator, folder=folder)

    async def asked() -> ModelDescription | None:
        async with bench.account() as account:
            with suppress(ProviderError):
                if hasattr(account.adapter, "describe_model"):
                    found: ModelDescription = await account.adapter.describe_model(model)
                    return found
            return None

    with bench.watched():
        found = asyncio.run(asked())
    if found is None or found.capabilities is None:
        return {}
    return changes_between(samples.capabilities_of(model), found.capabilities)


@pytest.mark.parametrize(("name", "model"), CASES)
def test_what_is_asked_for_changes_the_call(
    name: str, model: str, pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    simulator = simulator_for(pytestconfig, SAMPLES[name].protocol)
    corrected = described(SAMPLES[name], model, simulator=simulator, folder=tmp_path)
    samples = samples_of(name, model, corrected)

    run_check(CHECK, samples, simulator=simulator, folder=tmp_path)


def test_a_model_without_calls_shows_nothing(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """Else a model whose every request is refused would pass."""
    request = SAMPLES["xai"].first
    refused = {request.operation: replace(request, size=Size(1, 1))}
    samples = replace(SAMPLES["xai"], requests=refused)
    simulator = simulator_for(pytestconfig, samples.protocol)

    with pytest.raises(ContractBroken, match="refused"):
        run_check(CHECK, samples, simulator=simulator, folder=tmp_path)


@pytest.mark.parametrize("name", ["bfl", "gemini", "replicate", "http_jobs", "comfyui"])
def test_a_dropped_field_is_found(name: str, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    samples = planted(DroppedField, SAMPLES[name])
    simulator = simulator_for(pytestconfig, samples.protocol)

    with pytest.raises(ContractBroken, match="dropped in silence"):
        run_check(CHECK, samples, simulator=simulator, folder=tmp_path)
