"""Paid images are stored whatever nonsense their provider says about them."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from imagegen_app.core.actors import System
from imagegen_app.core.errors import RateLimited
from imagegen_app.core.types import PROMPT_CLEANED, PROMPT_UNSENT, Cost, Submission, Usage
from imagegen_app.models import AuditEvent, BudgetPeriod
from imagegen_app.providers.sandbox import Sandbox
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import applied_values, summary
from imagegen_app.services.policy import model_catalog
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_image_model, make_provider
from imagegen_app.testing.simulator.protocols import load
from tests.services.conftest import Site, at_simulator, governed

if TYPE_CHECKING:
    from imagegen_app.core.types import GenerationRequest, ProviderResult
    from imagegen_app.models import Job
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.testing.simulator.process import SimulatorProcess


class Wild(Sandbox):
    """An adapter that hands on values which no database takes."""

    is_remote: ClassVar[bool] = False
    #: What goes wrong; set by each test.
    kind: ClassVar[str] = ""

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        if self.kind == "limited":
            type(self).kind = "once limited"
            raise RateLimited(retry_after=math.nan, request_id="r\x00" * 300)
        done = await super().submit(request, answer=answer)
        return replace(
            done, request_id="id\x00" * 300, progress=math.nan, rate_limited_for=math.inf
        )

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        if self.kind == "raises":
            raise RecursionError("maximum recursion depth exceeded")
        result = super().read_answer(answer)
        images = tuple(
            replace(image, seed=10**30, revised_prompt="\x00", claimed_media_type="i\x00" * 500)
            for image in result.images
        )
        return replace(
            result,
            images=images,
            usage=Usage(output_image_tokens=10, output_text_tokens=20)
            if self.kind == "writes"
            else Usage(output_image_tokens=10**40, images=10**9),
            model_version="v\x00" * 500,
            resolved={"quality": "high", "size\x00": "9" * 500, "prompt": PROMPT_CLEANED},
            reported_cost=Cost(Decimal("1e40")),
        )


@pytest.fixture
def wild(db: None, small: Any) -> Site:
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "ADAPTERS": {"wild": "tests.services.worker.test_provider_values.Wild"},
    }
    Wild.kind = ""
    provider = make_provider(adapter="wild")
    return governed(make_image_model(provider=provider, provider_model_name="sandbox-1"))


def drive(job: Job) -> Job:
    driver.drive(seconds=10)
    job.refresh_from_db()
    return job


def test_images_with_values_out_of_range_are_stored_with_a_note(wild: Site) -> None:
    job = drive(wild.request())

    asset, attempt = job.assets.get(), job.attempts.get()
    assert (job.state, asset.seed) == ("succeeded", None)
    assert attempt.model_version == "v" * 120
    assert attempt.resolved == {"quality": "high", "size": "9" * 120, "prompt": PROMPT_CLEANED}
    assert attempt.provider_request_id == ("id" * 300)[:200]
    assert BudgetPeriod.objects.get().spent == job.estimated_cost
    body = AuditEvent.objects.get(type="asset.created").body
    assert all(f'"{name}"' in body for name in ("ignored", "seed", "cost", "images"))


def test_that_a_prompt_was_not_sent_as_written_is_told_with_its_image(wild: Site) -> None:
    job = drive(wild.request())

    lines = summary.origin_sentences(System("test"), job.assets.get())

    assert any("would have taken for commands" in line for line in lines)
    assert applied_values.applied_values(job.attempts.get()) == [
        ("quality", "high"),
        ("size", "9" * 120),
    ]


def test_a_prompt_for_a_model_that_takes_none_is_told(wild: Site) -> None:
    wild.model.capabilities = {"promptless": ["generate"]}
    use_case(audited=False)(wild.model.save)()

    job = drive(wild.request())

    attempt = job.attempts.get()
    assert attempt.resolved["prompt"] == PROMPT_UNSENT
    assert "takes none for this operation" in applied_values.deviations(attempt)[0]


def test_tokens_without_a_price_are_named_in_the_log_and_paid_for_by_the_image(
    wild: Site,
) -> None:
    wild.model.price_list = {**wild.model.price_list, "per_million_tokens": {"output_image": "1"}}
    use_case(audited=False)(wild.model.save)()
    Wild.kind = "writes"

    job = drive(wild.request())

    assert (job.state, job.actual_cost) == ("succeeded", Decimal("0.02"))
    assert '"unpriced":["output_text"]' in AuditEvent.objects.get(type="asset.created").body


def test_a_wait_that_is_no_number_is_as_none_was_named(wild: Site) -> None:
    Wild.kind = "limited"

    job = drive(wild.request())

    assert (job.state, job.attempts.count()) == ("succeeded", 2)


def test_an_adapter_that_stumbles_over_an_answer_makes_it_a_bad_response(wild: Site) -> None:
    Wild.kind = "raises"

    job = drive(wild.request())

    assert (job.state, job.error_code) == ("failed", "bad_response")
    assert "RecursionError" in job.attempts.get().error_detail
    assert BudgetPeriod.objects.get().spent == job.estimated_cost > 0


def test_another_model_than_the_one_asked_for_is_told(
    db: None, small: Any, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = at_simulator(simulator, small, monkeypatch, "xai", name="grok-imagine-image-2.0")
    model.provider.base_url += load("xai").base_path
    model_catalog.save(actor=System("test"), record=model.provider)
    site = governed(model)
    simulator.fail("other_model")

    job = drive(site.request(size="1:1"))

    attempt = job.attempts.get()
    assert (job.state, attempt.resolved["model"]) == ("succeeded", "another-grok-imagine-image-2.0")
    assert attempt.actual_cost
    assert "another-grok-imagine-image-2.0 made it" in applied_values.deviations(attempt)[0]
