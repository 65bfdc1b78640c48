"""A job runs through ComfyUI's queue, and a lost call is found there by our own id."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.providers.families import comfy_examples
from imagegen_app.services.library import evidence
from imagegen_app.services.policy import access, model_catalog, workflows
from imagegen_app.services.worker import _decisions, _recovery, driver
from imagegen_app.testing.factories import make_image_model, make_user
from tests.services.conftest import Site, at_simulator, governed

if TYPE_CHECKING:
    from imagegen_app.models import Job
    from imagegen_app.testing.simulator.process import SimulatorProcess


@pytest.fixture
def comfyui_site(
    db: None, small: Any, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> Site:
    monkeypatch.setattr(_recovery, "LOOKUP_RETRY_SECONDS", 0.02)
    monkeypatch.setattr(_decisions, "retry_delay", lambda _tries, _error: 0.02)
    other = at_simulator(simulator, small, monkeypatch, "comfyui")
    model = make_image_model(
        name="Workflow", provider=other.provider, provider_model_name="text-to-image"
    )
    return governed(model)


def driven(job: Job) -> Job:
    driver.drive(seconds=15)
    job.refresh_from_db()
    return job


def told_by_evidence(job: Job) -> str | None:
    auditor = make_user("otto", permissions=["imagegen.export_audit"])
    pack = evidence.build_pack(actor=access.actor_for(auditor), asset=job.assets.get())
    with zipfile.ZipFile(io.BytesIO(pack.data)) as archive:
        workflow: str | None = json.loads(archive.read("summary.json"))["workflow"]
    return workflow


@pytest.mark.parametrize("fault", ["", "disconnect", "disconnect_early"])
def test_a_call_ends_once_whether_or_not_its_answer_came(
    comfyui_site: Site, simulator: SimulatorProcess, fault: str
) -> None:
    if fault:
        simulator.fail(fault, on="jobs")
    job = comfyui_site.request()

    driven(job)

    assert (job.state, simulator.bill()["images"]) == ("succeeded", 1)


def test_each_version_of_a_workflow_runs_and_is_kept_with_its_call(
    comfyui_site: Site, simulator: SimulatorProcess
) -> None:
    boss, model = System("test"), comfyui_site.model
    runs = []
    for steps in (20, 30):
        document: Any = copy.deepcopy(dict(comfy_examples.WORKFLOWS["text-to-image"]))
        document["graph"]["4"]["inputs"]["steps"] = steps
        model.workflow = workflows.upload(
            actor=boss, provider=model.provider, name="portrait", document=document
        )
        model_catalog.save(actor=boss, record=model)
        # The same wish with the same seed: an earlier version's image is another one.
        runs.append(driven(comfyui_site.request(seed=7)))

    attempts = [run.attempts.get() for run in runs]
    assert [run.state for run in runs] == ["succeeded", "succeeded"]
    assert [str(one.workflow) for one in attempts] == ["portrait v1", "portrait v2"]
    assert len({one.model_version for one in attempts}) == 2
    assert simulator.bill()["images"] == 2
    assert told_by_evidence(runs[1]) == "portrait v2"
    again = driven(comfyui_site.request(seed=7))
    assert (again.state, again.attempts.count()) == ("succeeded", 0)
