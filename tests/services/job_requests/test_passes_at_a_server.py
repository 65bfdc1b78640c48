"""Follow-up passes reach a server of the site's own: an edit by fixed words, then restored faces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagegen_app.models import Asset, Job
from imagegen_app.services.worker import driver
from tests.services.conftest import at_simulator, governed

if TYPE_CHECKING:
    import pytest

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


def root_again(root: Job) -> Job:
    return Job.objects.get(pk=root.pk)
