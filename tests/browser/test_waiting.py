"""Who waits in the studio sees what the provider says and shows, and then the image itself."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.urls import reverse

from imagegen_app.models import ImageModel, Job, JobPreview
from imagegen_app.providers.families import comfy_events
from imagegen_app.services.foundation import worker_registry
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_attempt, make_grant, make_group, make_image_model
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.browser.site import barriers, shoot, wait_for_options, wait_until
from tests.services.arranged import change_job
from tests.services.conftest import at_simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.browser
PREVIEW = ".imagegen-preview img"


@pytest.fixture
def quiet_shop(shop: Any) -> Any:
    """The shop, whose jobs wait until the test has a worker."""
    shop.IMAGEGEN = {**shop.IMAGEGEN, "ENGINE": "tests.services.silent_engine.SilentEngine"}
    worker_registry.record_heartbeat(name="a")
    return shop


@pytest.fixture
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess() as process:
        yield process


@pytest.fixture
def openai(
    quiet_shop: Any, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> ImageModel:
    """OpenAI, played by the simulator, which is asked for two images on their way."""
    model = at_simulator(simulator, quiet_shop, monkeypatch, "openai")
    model.provider.options = {"partial_images": 2}
    use_case(audited=False)(model.provider.save)()
    make_grant(group=make_group("Image editors"), image_model=model)
    return model


@pytest.fixture
def comfyui(
    quiet_shop: Any, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> ImageModel:
    """A workflow at ComfyUI, played by the simulator."""
    comfy_events.forget()
    other = at_simulator(simulator, quiet_shop, monkeypatch, "comfyui")
    model = make_image_model(provider=other.provider, provider_model_name="text-to-image")
    make_grant(group=make_group("Image editors"), image_model=model)
    return model


@pytest.fixture
def work() -> Iterator[Callable[[], None]]:
    """Have a worker do what is due, beside the test."""
    threads = []

    def drive() -> None:
        try:
            driver.drive(seconds=60)
        finally:
            connection.close()

    def start() -> None:
        threads.append(threading.Thread(target=drive))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join(timeout=240)


def request_one(page: Any, live_server: Any, model: ImageModel) -> Job:
    """Request one image of a model in the studio, and return its job."""
    page.goto(f"{live_server.url}{reverse('admin:imagegen_studio')}?template=product-still-life")
    page.check(f"[name=image_model][value='{model.pk}']")
    wait_for_options(page)
    page.fill("[name=v_product]", "teapot")
    page.check("[name=count][value='1']")
    page.locator(".imagegen-generate:has-text('USD')").click()
    page.locator(".is-current .imagegen-turn-title a").click()
    page.locator(".imagegen-status").wait_for()
    return Job.objects.get()


@pytest.mark.slow
def test_a_preview_shows_the_image_on_its_way_until_the_image_is_there(
    page: Any,
    live_server: Any,
    openai: ImageModel,
    simulator: SimulatorProcess,
    work: Callable[[], None],
) -> None:
    simulator.script(stream_pause=4)
    page.emulate_media(reduced_motion="reduce")
    job = request_one(page, live_server, openai)

    work()
    page.locator(PREVIEW).wait_for()
    wait_until(page, f"document.querySelector('{PREVIEW}').naturalWidth === 512")
    first = page.locator(PREVIEW).get_attribute("src")
    page.evaluate(f"document.querySelector('{PREVIEW}').isTheSame = true")
    label = page.locator(".imagegen-preview-label")
    seen = (label.is_visible(), label.inner_text(), page.locator(PREVIEW).get_attribute("alt"))
    spoken = said(page, "Generating with")
    shoot(page, "studio-preview")
    faults = barriers(page, of="#content")
    page.set_viewport_size({"width": 390, "height": 844})
    width = page.evaluate("document.documentElement.scrollWidth")
    second = f"document.querySelector('{PREVIEW}').getAttribute('src') !== '{first}'"
    wait_until(page, second)
    is_the_same = page.evaluate(f"document.querySelector('{PREVIEW}').isTheSame")
    spoken_again = page.locator("[data-said]").inner_text()
    page.locator("a.imagegen-button:has-text('Use this image')").wait_for()
    tiles = page.locator(".imagegen-variations img")
    wait_until(page, "document.querySelector('.imagegen-variations img').naturalWidth > 0")
    shoot(page, "studio-after-preview")

    assert seen == (True, "Preview, not final", "Unfinished image; the final one replaces it")
    assert spoken_again == spoken
    assert is_the_same
    assert faults == []
    assert width <= 390
    assert tiles.count() == 1
    assert page.locator(".imagegen-preview").count() == 0
    assert said(page, "Ready") == "Ready"
    assert not JobPreview.objects.filter(job=job).exists()
    assert page.complaints == []


def said(page: Any, beginning: str) -> str:
    """Wait until a sentence is spoken, which is not at once after another, and return it."""
    wait_until(page, f"document.querySelector('[data-said]').innerText.startsWith('{beginning}')")
    text: str = page.locator("[data-said]").inner_text()
    return text


def test_a_queued_call_shows_how_far_it_is_and_its_image_on_its_way(
    page: Any,
    live_server: Any,
    comfyui: ImageModel,
    simulator: SimulatorProcess,
    work: Callable[[], None],
) -> None:
    simulator.script(hold_jobs=True, job_seconds=4)
    job = request_one(page, live_server, comfyui)

    work()
    page.locator(PREVIEW).wait_for()
    wait_until(page, f"document.querySelector('{PREVIEW}').naturalWidth === 64")
    page.locator(".imagegen-share:has-text('% done')").wait_for()
    shoot(page, "studio-preview-of-a-queued-call")
    simulator.script(hold_jobs=False)
    page.locator("a.imagegen-button:has-text('Use this image')").wait_for()

    assert page.locator(".imagegen-preview").count() == 0
    assert not JobPreview.objects.filter(job=job).exists()
    assert page.complaints == []


def test_the_position_in_the_providers_queue_is_shown_and_counts_down(
    page: Any, live_server: Any, quiet_shop: Any
) -> None:
    job = request_one(page, live_server, ImageModel.objects.get(slug="sandbox-1"))
    attempt = make_attempt(job=job, state="accepted", provider_stage="queued", queue_position=2)
    change_job(job, state="awaiting")

    page.locator(".imagegen-headline:has-text('Position 3 in the provider')").wait_for()
    shoot(page, "studio-provider-queue")
    faults = barriers(page, of="#content")
    use_case(audited=False)(type(attempt).objects.filter(pk=attempt.pk).update)(
        provider_stage="upscaling", queue_position=None
    )
    change_job(job, progress=0.4)
    page.locator(".imagegen-headline:has-text('Upscaling with')").wait_for()
    page.locator("text=40 % done").wait_for()
    spoken = said(page, "Upscaling with")
    change_job(job, progress=0.6)
    page.locator("text=60 % done").wait_for()
    shoot(page, "studio-provider-progress")

    assert faults == []
    assert page.locator("[data-said]").inner_text() == spoken
    assert page.locator("progress").evaluate("e => e.value") == 60
    assert page.complaints == []
