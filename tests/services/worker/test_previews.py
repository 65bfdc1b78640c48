"""A worker stores what a provider shows of a call, and never lets it hurt the call."""

from __future__ import annotations

import asyncio
import io
import json
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from django.db import connection
from PIL import Image

from imagegen_app.models import Asset, Job, JobPreview, KeptAnswer
from imagegen_app.providers.families import comfy_events, task_progress
from imagegen_app.providers.sandbox import Sandbox
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import kept_files
from imagegen_app.services.jobs import job_previews
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_image_model, make_provider
from tests.services.arranged import with_output_check
from tests.services.conftest import Site, at_simulator, governed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app.core.types import GenerationRequest, Submission
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.base import PreviewHook
    from imagegen_app.testing.simulator.process import SimulatorProcess


def png(colour: str, size: tuple[int, int] = (900, 300)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


class Showing(Sandbox):
    """Shows what the test wants, each until it is stored or some time has gone by."""

    has_previews: ClassVar[bool] = True
    shows: ClassVar[list[bytes]] = []
    #: How many previews were written so far.
    written: ClassVar[list[bytes]] = []
    hooks: ClassVar[list[bool]] = []
    waits: ClassVar[bool] = True

    async def submit(
        self,
        request: GenerationRequest,
        *,
        answer: SpooledAnswer,
        on_preview: PreviewHook | None = None,
    ) -> Submission:
        self.hooks.append(on_preview is not None)
        for number, image in enumerate(self.shows if on_preview else (), start=1):
            assert on_preview is not None
            on_preview(image)
            for _ in range(500 if self.waits else 0):
                if len(self.written) >= number:
                    break
                await asyncio.sleep(0.01)
        return await super().submit(request, answer=answer)


def noting_previews(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    """Note each preview that is written to the database."""
    result = execute(sql, params, many, context)
    if "imagegen_jobpreview" in sql and sql.startswith(("INSERT", "UPDATE")):
        found = JobPreview.objects.values_list("image", flat=True).first()
        if found is not None:
            Showing.written.append(bytes(found))
    return result


@pytest.fixture
def showing(db: None, small: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("shows", "written", "hooks"):
        monkeypatch.setattr(Showing, name, [])
    monkeypatch.setattr(Showing, "waits", True)
    small.IMAGEGEN = {**small.IMAGEGEN, "ADAPTERS": {"showing": f"{__name__}:Showing"}}
    model = make_image_model(
        provider=make_provider(adapter="showing"), provider_model_name="sandbox-1"
    )
    with connection.execute_wrapper(noting_previews):
        yield governed(model)


def driven(site: Site, **changes: Any) -> Job:
    job = site.request(**changes)
    driver.drive(seconds=20)
    return Job.objects.get(pk=job.pk)


def colour_of(image: bytes) -> tuple[int, ...]:
    pixel = Image.open(io.BytesIO(image)).convert("RGB").getpixel((5, 5))
    assert isinstance(pixel, tuple)
    return tuple(round(value / 51) for value in pixel)


def test_each_preview_is_stored_small_and_the_end_removes_the_last(showing: Site) -> None:
    Showing.shows.extend([png("red"), png("blue")])

    job = driven(showing)

    assert [colour_of(image) for image in Showing.written] == [(5, 0, 0), (0, 0, 5)]
    assert {Image.open(io.BytesIO(image)).size for image in Showing.written} == {(512, 171)}
    assert (job.state, job.preview_number) == ("succeeded", 0)
    assert not JobPreview.objects.exists()
    # The preview is none of the images.
    assert Asset.objects.get().width == 64


@pytest.mark.parametrize(
    "hostile", [b"", b"<svg onload=alert(1)>", b"\x89PNG\r\n\x1a\n" + b"\0" * 99, b"GIF89a"]
)
def test_bytes_that_are_no_image_cost_the_call_nothing(showing: Site, hostile: bytes) -> None:
    Showing.shows.extend([hostile, png("blue")])
    Showing.waits = False

    job = driven(showing)

    assert (job.state, job.error_code) == ("succeeded", "")
    assert not JobPreview.objects.exists()


def test_a_preview_that_cannot_be_stored_costs_the_call_nothing(
    showing: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Showing.shows.append(png("red"))

    def broken(_execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("INSERT") and "imagegen_jobpreview" in sql:
            Showing.written.append(b"")
            raise OSError("the disk is full")
        return _execute(sql, *rest)

    with connection.execute_wrapper(broken):
        job = driven(showing)

    assert job.state == "succeeded"
    assert "A preview could not be stored: OSError" in caplog.text


def test_a_flood_of_previews_costs_a_few_decodings(showing: Site) -> None:
    Showing.shows.extend([png("red"), *(png("green", (40, 40)) for _ in range(200)), png("blue")])
    Showing.waits = False

    job = driven(showing)

    assert job.state == "succeeded"
    assert len(Showing.written) <= job_previews.MAX_PREVIEWS


def test_none_is_asked_for_where_a_content_check_looks_at_the_images(
    showing: Site, settings: Any
) -> None:
    with_output_check(settings)
    Showing.shows.append(png("red"))

    job = driven(showing)

    assert (job.state, Showing.hooks, Showing.written) == ("succeeded", [False], [])


def test_none_is_asked_for_of_several_images(showing: Site) -> None:
    Showing.shows.append(png("red"))

    job = driven(showing, count=2)

    assert (job.state, Showing.hooks, Showing.written) == ("succeeded", [False], [])


def test_an_adapter_that_shows_nothing_is_not_given_a_hook(site: Site) -> None:
    # The sandbox's `submit` has no parameter for it.
    assert driven(site).state == "succeeded"


@pytest.fixture
def openai_site(
    db: None, small: Any, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """A site whose account asks OpenAI, played by the simulator, for two previews."""
    monkeypatch.setattr(Showing, "written", [])
    model = at_simulator(simulator, small, monkeypatch, "openai")
    model.price_list = {"currency": "USD", "per_image": [{"amount": "0.01"}]}
    model.provider.options = {"partial_images": 2}
    for row in (model, model.provider):
        use_case(audited=False)(row.save)()
    with connection.execute_wrapper(noting_previews):
        yield governed(model)


def test_a_streamed_call_of_openai_shows_itself_and_ends_as_any_other(
    openai_site: Site, simulator: SimulatorProcess
) -> None:
    simulator.script(stream_pause=0.6)

    job = driven(openai_site, size="1024x1024")

    assert (job.state, job.error_code, job.preview_number) == ("succeeded", "", 0)
    # A busy worker stores the newer one of two.
    assert 1 <= len(Showing.written) <= 2
    assert {Image.open(io.BytesIO(one)).size for one in Showing.written} == {(512, 512)}
    assert not JobPreview.objects.exists()
    assert simulator.bill()["images"] == 1
    attempt = job.attempts.get()
    assert attempt.provider_request_id.startswith("req_")
    assert attempt.actual_cost == Decimal("0.01")
    assert (Asset.objects.get().width, Asset.objects.get().height) == (1024, 1024)


def test_a_stream_that_breaks_off_after_a_preview_is_of_unknown_outcome(
    openai_site: Site, simulator: SimulatorProcess
) -> None:
    simulator.fail("half_answer")

    job = driven(openai_site, size="1024x1024")

    assert (job.state, job.error_code) == ("uncertain", "answer_cut_off")
    assert not JobPreview.objects.exists()
    assert simulator.bill()["images"] == 1


def test_the_finished_event_of_an_unreadable_stream_is_kept_and_read_again(
    openai_site: Site, simulator: SimulatorProcess
) -> None:
    simulator.fail("truncated_base64")

    job = driven(openai_site, size="1024x1024")

    assert (job.state, job.error_code) == ("failed", "bad_response")
    kept = KeptAnswer.objects.get(attempt__job=job)
    document = json.loads(kept_files.answer_of(kept.attempt).read())
    assert document["type"] == "image_generation.completed"


def test_no_stream_is_asked_for_where_a_content_check_looks_at_the_images(
    openai_site: Site, simulator: SimulatorProcess, settings: Any
) -> None:
    with_output_check(settings)

    job = driven(openai_site, size="1024x1024")

    assert (job.state, Showing.written) == ("succeeded", [])


@pytest.fixture
def web_ui(
    db: None, small: Any, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """A site with a server of AUTOMATIC1111's, played by the simulator, which is asked often."""
    monkeypatch.setattr(task_progress, "FIRST_SECONDS", 0.05)
    monkeypatch.setattr(task_progress, "EVERY_SECONDS", 0.2)
    monkeypatch.setattr(Showing, "written", [])
    other = at_simulator(simulator, small, monkeypatch, "automatic1111")
    other.provider.options = {"user": "studio"}
    use_case(audited=False)(other.provider.save)()
    model = make_image_model(provider=other.provider, provider_model_name="sd_xl_base_1.0")
    simulator.script(latency=1.5)
    with connection.execute_wrapper(noting_previews):
        yield governed(model)


def noting_progress(told: list[float], execute: Any, sql: str, *rest: Any) -> Any:
    """Note each progress that is written to the database."""
    result = execute(sql, *rest)
    if sql.startswith('UPDATE "imagegen_job" SET "progress"'):
        told.append(Job.objects.values_list("progress", flat=True).get() or 0.0)
    return result


@pytest.mark.parametrize(("count", "shows"), [(1, True), (2, False)])
def test_the_progress_of_a_call_is_told_and_its_image_shown_where_it_is_one(
    web_ui: Site, count: int, shows: bool
) -> None:
    told: list[float] = []
    with connection.execute_wrapper(partial(noting_progress, told)):
        job = driven(web_ui, size="512x512", count=count)

    assert (job.state, job.error_code, job.progress) == ("succeeded", "", 1.0)
    assert len(told) > 1
    assert told == sorted(told)
    assert 0 < told[0] < told[-1] < 1
    assert bool(Showing.written) is shows
    attempt = job.attempts.get()
    assert (attempt.provider_stage, attempt.queue_position) == ("running", None)


def test_progress_is_told_where_images_must_not_be_shown(web_ui: Site, settings: Any) -> None:
    with_output_check(settings)
    told: list[float] = []
    with connection.execute_wrapper(partial(noting_progress, told)):
        job = driven(web_ui, size="512x512")

    assert job.state == "succeeded"
    assert told
    assert Showing.written == []


@pytest.fixture
def comfyui(
    db: None, small: Any, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """A site with a server of ComfyUI's, played by the simulator, which tells often."""
    monkeypatch.setattr(comfy_events, "TELL_SECONDS", 0.1)
    monkeypatch.setattr(comfy_events, "LISTEN_SECONDS", 0.8)
    monkeypatch.setattr(Showing, "written", [])
    comfy_events.forget()
    other = at_simulator(simulator, small, monkeypatch, "comfyui")
    model = make_image_model(provider=other.provider, provider_model_name="text-to-image")
    simulator.script(job_seconds=2.5)
    with connection.execute_wrapper(noting_previews):
        yield governed(model)
    comfy_events.forget()


def test_a_job_in_a_queue_is_told_and_shown_from_poll_to_poll(
    comfyui: Site, simulator: SimulatorProcess
) -> None:
    told: list[float] = []
    with connection.execute_wrapper(partial(noting_progress, told)):
        job = driven(comfyui, size="512x512")

    assert (job.state, job.error_code, job.preview_number) == ("succeeded", "", 0)
    assert len(told) > 1
    assert told == sorted(told)
    assert 0 < told[0] < told[-1] < 1
    # Over several polls, and none twice.
    assert simulator.calls()["WS /ws"] > 1
    assert 1 < len(set(Showing.written)) == len(Showing.written) <= job_previews.MAX_PREVIEWS
    assert not JobPreview.objects.exists()
    assert simulator.bill()["images"] == 1


def test_a_queued_job_shows_nothing_where_a_content_check_looks_at_the_images(
    comfyui: Site, settings: Any
) -> None:
    with_output_check(settings)

    job = driven(comfyui, size="512x512")

    assert (job.state, Showing.written) == ("succeeded", [])
