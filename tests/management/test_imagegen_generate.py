from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from imagegen_app.models import Asset, Job, Worker
from imagegen_app.services.foundation import worker_registry
from imagegen_app.services.worker import _results
from imagegen_app.testing.factories import make_image, make_template
from tests.services.closing import hard_category
from tests.services.conftest import site, small

if TYPE_CHECKING:
    from pathlib import Path

    from tests.failing_storage import FailingStorage
    from tests.services.conftest import Site

__all__ = ["site", "small"]


def test_an_image_that_cannot_be_copied_now_is_kept_and_named(
    site: Site,
    failing_storage: type[FailingStorage],
    tmp_path: Path,
) -> None:
    failing_storage.failing = {"open"}

    with pytest.raises(CommandError, match="the storage cannot be read") as failed:
        call_command(
            "imagegen_generate",
            user="edda",
            prompt="A red mug",
            model=site.model.slug,
            size="64x64",
            run_inline=True,
            out=str(tmp_path / "out"),
        )

    assert str(Asset.objects.get().pk) in str(failed.value)


def test_an_image_that_was_closed_on_arrival_is_not_copied(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = _results.store_results

    def closed_at_once(*of_job: Any, **answer: Any) -> Any:
        assets = store(*of_job, **answer)
        hard_category(assets[0])
        return assets

    monkeypatch.setattr(_results, "store_results", closed_at_once)
    out = tmp_path / "out"

    with pytest.raises(CommandError, match="nobody can release it"):
        call_command(
            "imagegen_generate",
            user="edda",
            prompt="A red mug",
            model=site.model.slug,
            size="64x64",
            run_inline=True,
            out=str(out),
        )

    assert Asset.objects.get().hard_category
    assert not out.exists()


def test_nobody_waits_for_the_worker_that_an_inline_run_was(site: Site) -> None:
    asked = {"user": "edda", "prompt": "A red mug", "model": site.model.slug, "size": "64x64"}

    call_command("imagegen_generate", **asked, run_inline=True)

    assert Job.objects.get().state == "succeeded"
    assert Worker.objects.exists()
    assert worker_registry.count_live_workers() == 0


def test_parameters_of_the_model_are_taken_with_their_types(site: Site) -> None:
    asked = {"user": "edda", "prompt": "A red mug", "model": site.model.slug, "size": "64x64"}

    call_command("imagegen_generate", **asked, run_inline=True, parameter=["strength=0.5"])

    assert Job.objects.get().parameters == {"strength": 0.5}
    with pytest.raises(CommandError, match="strength"):
        call_command("imagegen_generate", **asked, run_inline=True, parameter=["strength=2"])
    with pytest.raises(CommandError, match="write NAME=VALUE"):
        call_command("imagegen_generate", **asked, run_inline=True, parameter=["strength"])


def test_without_a_quality_the_templates_counts(site: Site) -> None:
    make_template(slug="fine", quality="high")
    asked = {"user": "edda", "template": "fine", "var": ["product=mug"], "model": site.model.slug}

    call_command("imagegen_generate", **asked, size="64x64", run_inline=True)

    assert Job.objects.get().quality == "high"


def test_input_images_by_role_and_lora_are_taken(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "guide.png"
    file.write_bytes(make_image(size=(64, 64)))
    asked: dict[str, Any] = {"user": "edda", "prompt": "A red mug", "model": site.model.slug}

    call_command(
        "imagegen_generate",
        **asked,
        size="1:1",
        quality="standard",
        operation="control",
        input=[f"control:depth:0.8:0:0.7={file}", f"control={file}", f"style={file}"],
        lora=["paint=0.5", "ink"],
        run_inline=True,
    )

    job = Job.objects.get()
    guides = [entry.guide for entry in job.inputs.order_by("position")]
    assert (job.width, job.height, job.quality) == (1024, 1024, "medium")
    assert guides == [
        {"kind": "depth", "weight": 0.8, "start": 0.0, "end": 0.7},
        {"kind": "", "weight": 1.0, "start": 0.0, "end": 1.0},
        {},
    ]
    assert job.loras == [{"name": "paint", "weight": 0.5}, {"name": "ink", "weight": 1.0}]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"input": ["style"]}, "write ROLE=FILE"),
        ({"input": ["mood=x.png"]}, "roles: image, mask, reference, control, style"),
        ({"input": ["style:depth=x.png"]}, "write ROLE=FILE"),
        ({"input": ["control:depth:much=x.png"]}, "write control:KIND:WEIGHT:START:END=FILE"),
        ({"input": ["control:a:1:0:1:9=x.png"]}, "write control:KIND:WEIGHT:START:END=FILE"),
        ({"input": ["style=/no/such/file.png"]}, "cannot be read"),
        ({"lora": ["paint=much"]}, "write NAME=WEIGHT"),
        ({"lora": ["paint=9"]}, "a weight must be between 0 and 1"),
    ],
)
def test_what_cannot_be_read_is_said(site: Site, option: dict[str, Any], said: str) -> None:
    with pytest.raises(CommandError, match=re.escape(said)):
        call_command(
            "imagegen_generate", user="edda", prompt="A mug", model=site.model.slug, **option
        )

    assert not Job.objects.exists()
