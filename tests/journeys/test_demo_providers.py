"""The main job goes through each adapter, with the simulator as its provider over a socket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imagegen_app.providers import registry
from imagegen_app.testing.contract.our_samples import SAMPLES
from project.demo import simulated
from project.demo.main_job import Row
from project.demo.provider_runs import ProviderRun
from tests.journeys.conftest import demo


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """One run through all adapters; each alone would pay for a start of its own."""
    folder: Path = tmp_path_factory.mktemp("providers")
    done = demo(folder, "demo", "--once", "--provider", "all", "--json")
    assert done.stdout, done.stderr[-2000:]
    found: list[dict[str, Any]] = json.loads(done.stdout)["providers"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("adapter", registry.adapter_names())
def test_the_main_job_ends_through_each_adapter_and_is_billed_once(
    runs: list[dict[str, Any]], adapter: str
) -> None:
    mine = [run for run in runs if run["adapter"] == adapter]
    offered = {one for s in SAMPLES.values() if s.adapter == adapter for one in s.requests}

    assert mine
    assert [(run["error"], run["jobs"]) for run in mine if not run["ok"]] == []
    assert {operation for run in mine for operation in run["operations"]} == offered
    assert all(run["jobs"][0]["placed"] for run in mine if "generate" in run["operations"])
    assert any("generate" in run["operations"] for run in mine)
    # Who makes no calls bills nothing.
    is_remote = registry.describe(adapter).is_remote
    assert all(run["billed"] == (len(run["jobs"]) if is_remote else None) for run in mine)


def test_every_adapter_of_the_registry_is_played() -> None:
    played = {one.adapter for one in simulated.all_providers().values()}

    assert played == set(registry.adapter_names())


def test_accounts_that_differ_in_more_than_models_are_told_apart() -> None:
    found = simulated.all_providers()

    assert found["fal"].models[0] == "fal-ai/flux/dev"
    assert found["stability"].models[0] == "core"
    assert {"azure_openai", "azure_openai-deployments"} <= found.keys()
    slugs = [one.slug_of(model) for one in found.values() for model in one.models]
    assert len(slugs) == len(set(slugs))
    assert len({one.slug for one in found.values()}) == len(found)


def row(**changes: Any) -> Row:
    given: dict[str, Any] = {
        "job": "1", "operation": "generate", "state": "succeeded", "model": "m", "cost": "0",
        "asset": "2", "file": "f", "placed": (), "credentials_valid": True, "credentials": "valid",
    }  # fmt: skip
    return Row(**{**given, **changes})


@pytest.mark.parametrize(
    ("run", "outcome"),
    [
        ({"rows": [row()], "billed": 1}, "1 signed, 1 billed"),
        ({"rows": [row()]}, "1 signed, nothing to bill"),
        ({"rows": [row()], "billed": 2}, "1 images, but 2 billed"),
        ({"rows": [row(credentials_valid=False)]}, "an image without valid credentials"),
        ({"rows": [row(state="failed", error="Gone.")], "billed": 1}, "generate: Gone."),
        ({"error": "No worker."}, "No worker."),
    ],
)
def test_a_run_is_no_success_unless_each_image_is_signed_and_billed_once(
    run: dict[str, Any], outcome: str
) -> None:
    made = ProviderRun(provider="x", adapter="x", seconds=1, **run)

    assert made.outcome == outcome
    assert made.is_ok == (outcome.startswith("1 signed"))
