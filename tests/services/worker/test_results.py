"""What a provider returns beside the images: the reworded prompt and the claimed media type."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from django.urls import reverse

from imagegen_app.core import source_types
from imagegen_app.core.types import Operation
from imagegen_app.models import Attempt, AuditEvent, Job
from imagegen_app.providers.sandbox import Sandbox
from imagegen_app.services.erasure import commands as erasure
from imagegen_app.services.library import summary
from imagegen_app.services.policy import access
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_image_model, make_provider, make_user
from tests.services.conftest import Site, governed

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.core.types import ProviderResult
    from imagegen_app.providers.answers import SpooledAnswer


class Rewording(Sandbox):
    """An adapter that rewords the prompt and claims media types that do not match the images."""

    is_remote: ClassVar[bool] = False

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        result = super().read_answer(answer)
        images = tuple(
            replace(
                image,
                revised_prompt=f"A \x00shiny red mug\ud800 {n // 2}",
                claimed_media_type=("image/png", "image/JPG; q=1", "")[n % 3],
            )
            for n, image in enumerate(result.images)
        )
        return replace(result, images=images)


@pytest.fixture
def rewording(db: None, small: Any) -> Site:
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "ADAPTERS": {"rewording": "tests.services.worker.test_results.Rewording"},
    }
    provider = make_provider(adapter="rewording")
    return governed(make_image_model(provider=provider, provider_model_name="sandbox-1"))


def succeeded_job(site: Site, **changes: Any) -> Job:
    job = site.request(**changes)
    driver.drive(seconds=15)
    job.refresh_from_db()
    assert job.state == "succeeded"
    return job


def test_the_reworded_prompt_is_stored_with_the_attempt(rewording: Site) -> None:
    job = succeeded_job(rewording, count=3)

    assert Attempt.objects.get(job=job).revised_prompt == "A shiny red mug 0\n\nA shiny red mug 1"
    lines = summary.summarize(rewording.actor, job.assets.earliest("pk"))
    assert "The provider reworded the prompt before it made the image." in lines


def test_an_unchanged_prompt_is_not_described_as_reworded(site: Site) -> None:
    job = succeeded_job(site)

    assert Attempt.objects.get(job=job).revised_prompt == ""
    assert not any("reworded" in line for line in summary.summarize(site.actor, job.assets.get()))


def test_the_reworded_prompt_is_erased_with_the_prompt(rewording: Site) -> None:
    job = succeeded_job(rewording)
    officer = access.actor_for(make_user(permissions=["imagegen.erase_personal_data"]))

    erasure.erase_prompt(officer, job=job, reason="asked for")

    assert Attempt.objects.get(job=job).revised_prompt == ""


def test_the_reworded_prompt_needs_the_permission_to_view_prompts(
    rewording: Site, client: Client
) -> None:
    asset = succeeded_job(rewording).assets.get()
    page = reverse("admin:imagegen_asset_change", args=[asset.pk])
    permissions = ["imagegen.view_asset", "imagegen.view_job"]
    without_permission = make_user("cora", is_staff=True, permissions=permissions)
    with_permission = make_user(
        "rita", is_staff=True, permissions=[*permissions, "imagegen.view_prompt"]
    )

    client.force_login(without_permission)
    assert "shiny red mug" not in client.get(page).content.decode()
    client.force_login(with_permission)
    assert "A shiny red mug 0" in client.get(page).content.decode()
    assert AuditEvent.objects.filter(type="asset.prompt_viewed").count() == 1


def test_a_wrongly_claimed_media_type_is_recorded_in_the_asset_event(rewording: Site) -> None:
    job = succeeded_job(rewording, count=3)

    events = AuditEvent.objects.filter(type="asset.created", job_id=job.pk).order_by("pk")
    claims = [json.loads(e.body)["data"].get("claimed_media_type") for e in events]
    assert claims == [None, "image/jpeg", None]


@pytest.mark.parametrize(
    ("operation", "inputs", "expected"),
    [
        (Operation.GENERATE, [], source_types.GENERATED),
        (Operation.CONTROL, [""], source_types.GENERATED),
        (Operation.EDIT, [source_types.GENERATED], source_types.GENERATED),
        (Operation.EDIT, [source_types.GENERATED, ""], source_types.COMPOSITE),
        (Operation.EDIT, [], source_types.COMPOSITE),
        (Operation.UPSCALE, [source_types.GENERATED], source_types.GENERATED),
        (Operation.UPSCALE, [""], source_types.ENHANCED),
        (Operation.REMOVE_BACKGROUND, [source_types.COMPOSITE], source_types.COMPOSITE),
    ],
)
def test_the_source_type_follows_from_the_operation_and_its_inputs(
    operation: Operation, inputs: list[str], expected: str
) -> None:
    assert source_types.digital_source_type(operation, inputs=inputs) == expected
