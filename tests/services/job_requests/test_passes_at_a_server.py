"""Follow-up passes reach a server of the site's own: an edit by fixed words, then restored faces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.models import Asset, Job
from imagegen_app.providers.families.named_models import CODEFORMER
from imagegen_app.services.policy import model_catalog
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_grant, make_group, make_image_model
from imagegen_app.testing.simulator.protocols import load
from tests.services.conftest import at_simulator, governed

if TYPE_CHECKING:
    from imagegen_app.testing.simulator.process import SimulatorProcess

FIX = "Correct the spelling on the sign"


def test_an_image_is_edited_by_the_fixed_words_and_its_faces_are_restored(
    db: None, small: Any, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = at_simulator(
        simulator,
        small,
        monkeypatch,
        "automatic1111",
        name="sd_xl_base_1.0",
        options={"user": "studio"},
    )
    site = governed(model)
    passes = [f"edit:{model.slug}:{FIX}", f"restore_faces:{model.slug}"]

    root = site.request(size="512x512", passes=passes)
    driver.drive(seconds=30)

    jobs = Job.objects.filter(root=root).order_by("created_at", "pk")
    assert [(job.operation, job.state, job.prompt) for job in (root_again(root), *jobs)] == [
        ("generate", "succeeded", "A red mug"),
        ("edit", "succeeded", FIX),
        ("restore_faces", "succeeded", ""),
    ]
    assert [one.operation for one in simulator.received()] == ["edit", "restore_faces"]
    result = Asset.objects.get(is_intermediate=False)
    assert (result.job.operation, result.width, result.height) == ("restore_faces", 512, 512)


@pytest.mark.parametrize(
    ("adapter", "name", "options"),
    [
        ("replicate", CODEFORMER, {"result_hosts": ["127.0.0.1"]}),
        ("fal", "fal-ai/codeformer", {}),
    ],
)
def test_faces_are_restored_by_a_model_that_has_nothing_else(  # noqa: PLR0917 - a table
    db: None,
    small: Any,
    simulator: SimulatorProcess,
    monkeypatch: pytest.MonkeyPatch,
    adapter: str,
    name: str,
    options: dict[str, Any],
) -> None:
    site = governed(make_image_model(slug="draws"))
    model = at_simulator(simulator, small, monkeypatch, adapter, name=name, options=options)
    model.provider.base_url += load(adapter).base_path
    model_catalog.save(actor=System("test"), record=model.provider)
    make_grant(group=make_group("Image editors"), image_model=model)

    root = site.request(size="512x512", passes=[f"restore_faces:{model.slug}"])
    driver.drive(seconds=30)

    job = Job.objects.get(root=root)
    assert (job.operation, job.state, job.prompt) == ("restore_faces", "succeeded", "")
    assert [one.operation for one in simulator.received()] == ["restore_faces"]
    # Nothing was written, so nothing was left out.
    assert "prompt" not in job.attempts.get().resolved


def root_again(root: Job) -> Job:
    return Job.objects.get(pk=root.pk)
