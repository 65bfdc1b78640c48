"""Each real provider makes one cheap image, where the environment holds its key; it costs money.

`IMAGEGEN_LIVE_OPENAI=sk-... pytest -m live tests/providers/live` makes OpenAI's. The same code is run
against the simulator below, so that it is known to work before anybody pays.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from imagegen_app.providers import registry
from imagegen_app.testing.contract.bench import KEY
from imagegen_app.testing.contract.our_samples import SAMPLES
from imagegen_app.testing.contract.samples import Samples
from imagegen_app.testing.contract.suite import simulator_for
from imagegen_app.testing.simulator.protocols import load
from tests.architecture.tree import ROOT
from tests.providers.live.cases import CASES, LiveCase, make_image

ADAPTERS = [one.name for one in registry.describe_all() if one.is_remote]


@pytest.mark.live
@pytest.mark.parametrize("adapter", CASES)
def test_a_real_provider_makes_one_cheap_image(adapter: str, tmp_path: Path) -> None:
    case = CASES[adapter]
    if case.skip_reason:
        pytest.skip(case.skip_reason)

    result, image = make_image(case, folder=tmp_path / "answer")

    assert len(result.images) == 1
    assert min(image.size) >= min(case.size.width, case.size.height) // 2
    # What it says that it costs counts; most tell nothing, or tokens.
    reported = result.reported_cost
    assert reported is None or reported.amount <= case.ceiling


def test_every_adapter_that_calls_somebody_has_a_case_with_a_ceiling() -> None:
    assert sorted(CASES) == sorted(ADAPTERS)
    assert all(Decimal(0) <= case.ceiling <= Decimal("0.10") for case in CASES.values())
    priced = {name for name, case in CASES.items() if case.ceiling}
    assert set(CASES) - priced == {
        "automatic1111",
        "comfyui",
        "generic_jobs",
        "http_jobs",
        "stable_diffusion_cpp",
    }


def test_the_list_for_contributors_is_complete_and_true() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()

    for case in CASES.values():
        quality = f", {case.quality} quality" if case.quality else ""
        assert f"| `{case.adapter}` | `{case.model}`{quality} | {case.ceiling} |" in text


@pytest.mark.parametrize("adapter", CASES)
def test_the_image_asked_for_is_one_that_the_model_makes(adapter: str) -> None:
    case = CASES[adapter]
    options = _samples_of(adapter).options
    offer = registry.capabilities(adapter, case.model, options=options)

    assert "generate" in offer.operations
    assert offer.sizes_for(case.request().operation).error_for(case.size) is None
    assert case.output_format in offer.output_formats
    assert not case.quality or case.quality in offer.qualities


@pytest.mark.parametrize("adapter", CASES)
def test_without_a_key_it_is_skipped_with_its_price(
    adapter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[adapter]
    monkeypatch.delenv(case.variable, raising=False)
    monkeypatch.delenv(f"{case.variable}_URL", raising=False)

    assert case.skip_reason == (f"{case.variable} is not set; it costs at most {case.ceiling} USD")
    monkeypatch.setenv(case.variable, "sk-a-key")
    has_address = bool(registry.describe(adapter).base_url)
    assert (case.skip_reason == "") == has_address


@pytest.mark.parametrize("adapter", CASES)
def test_the_live_test_makes_its_image_at_the_simulator(
    adapter: str, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    case, samples = CASES[adapter], _samples_of(adapter)
    simulator = simulator_for(pytestconfig, samples.protocol)
    simulator.reset()
    path = load(samples.protocol).base_path
    monkeypatch.setenv(case.variable, samples.credential.replace("{key}", KEY))
    monkeypatch.setenv(f"{case.variable}_URL", simulator.base_url + path)
    # xAI's own model is known to the simulator, with its price.
    if adapter != "xai":
        monkeypatch.setenv(f"{case.variable}_MODEL", samples.first.model)
    monkeypatch.setenv(f"{case.variable}_OPTIONS", json.dumps(dict(samples.options)))

    test_a_real_provider_makes_one_cheap_image(adapter, tmp_path)

    assert simulator.bill()["images"] == 1


def _samples_of(adapter: str) -> Samples:
    """Return the first samples of an adapter that generate."""
    return next(
        one for one in SAMPLES.values() if one.adapter == adapter and "generate" in one.requests
    )


def test_a_case_is_turned_on_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    case = LiveCase("openai", "gpt-image-2.6-flare", Decimal("0.02"))
    monkeypatch.setenv("IMAGEGEN_LIVE_OPENAI", "sk-a-key")
    monkeypatch.setenv("IMAGEGEN_LIVE_OPENAI_MODEL", "gpt-image-9")

    assert (case.skip_reason, case.request().model) == ("", "gpt-image-9")
    assert case.url == "https://api.openai.com/v1"
