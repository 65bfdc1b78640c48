"""A batch is watched and its images are reviewed, by mouse and by keyboard, in a real browser."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from imagegen_app.core.actors import System
from imagegen_app.models import Asset, Batch, Job, Placement, ScheduledPlacement
from imagegen_app.services.batches import lifecycle, row_jobs
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.jobs import leases, transitions
from imagegen_app.services.library import review, scheduled_placements
from imagegen_app.services.policy import access, template_access
from imagegen_app.testing.factories import make_asset, make_job
from project.catalog.models import Product
from tests.browser.site import wait_until
from tests.browser.test_journeys import real
from tests.changed_rows import change

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.browser
IMAGES = 100
#: What the decisions about so many images may cost the page's own code.
SCRIPT_SECONDS = 60


@pytest.fixture
def start(owner: Any) -> Callable[..., Batch]:
    """Start a batch of the editor's; its images are made at once."""

    def started(number: int = 3, **limits: Any) -> Batch:
        target = content_fields.target_by_path("catalog.Product.image")
        version = template_access.usable_version(System("test"), "product-still-life")
        assert target is not None
        assert version is not None
        keys = [str(k) for k in Product.objects.order_by("pk").values_list("pk", flat=True)]
        made = lifecycle.start(
            actor=access.actor_for(owner),
            version=version,
            title="Spring",
            keys=keys[:number],
            target=target,
            mapping={"product": "name", "material": "material", "colour": "colour"},
            fixed={"setting": "on a light table"},
            limits=lifecycle.BatchLimits(**limits),
            key="spring",
        )
        return Batch.objects.get(pk=made.pk)

    return started


def open_grid(page: Any, live_server: Any, batch: Batch) -> None:
    page.goto(f"{live_server.url}/en/admin/imagegen/job/batches/{batch.pk}/review/")
    page.locator("[data-asset][data-decision]").first.wait_for()
    page.locator("[data-asset]").first.focus()


def open_run(page: Any, live_server: Any, batch: Batch, query: str = "") -> None:
    page.goto(f"{live_server.url}/en/admin/imagegen/job/batches/{batch.pk}/run/{query}")


def script_clock(page: Any) -> Callable[[], float]:
    """Return a clock of the seconds that the page has run its scripts, however busy the machine is."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def read() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == "ScriptDuration"))

    return read


def focused_asset(page: Any) -> str:
    return str(page.evaluate("document.activeElement.dataset.asset"))


def test_a_hundred_images_are_decided_by_keyboard_alone(
    page: Any, live_server: Any, start: Callable[..., Batch], owner: Any
) -> None:
    batch = start(1)
    first = Job.objects.get(batch=batch)
    for _number in range(IMAGES - 1):
        job = make_job(
            batch=batch, requester=owner, row_key=first.row_key, image_model=first.image_model
        )
        make_asset(job=job, review_state="pending", widths=(), formats=())
    open_grid(page, live_server, batch)
    assert page.locator("[data-asset]").count() == IMAGES
    script_seconds = script_clock(page)
    before = script_seconds()
    for number in range(IMAGES):
        page.keyboard.press("r" if number % 10 == 0 else "a")
    spent = script_seconds() - before
    page.keyboard.press("Control+Enter")
    page.locator(".messagelist").wait_for()

    states = list(Asset.objects.values_list("review_state", flat=True))
    assert (states.count("approved"), states.count("rejected")) == (90, 10)
    assert 0 < spent < SCRIPT_SECONDS


def test_an_image_is_enlarged_rated_and_made_anew_by_keyboard(
    page: Any, live_server: Any, start: Callable[..., Batch]
) -> None:
    batch = start()
    open_grid(page, live_server, batch)
    old = focused_asset(page)
    page.keyboard.press(" ")
    page.locator(".is-large .imagegen-tile-prompt").wait_for()
    pages = len(page.context.pages)
    page.keyboard.press("ArrowRight")
    moved = page.locator(".is-large").get_attribute("data-asset")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Escape")
    page.keyboard.press("4")
    page.keyboard.press("g")
    page.keyboard.type("Show it from the left")
    page.keyboard.press("Escape")
    assert focused_asset(page) == old
    page.keyboard.press("g")
    new = page.locator(f"[data-asset='{old}'] [data-key]:not([data-key='{old}'])")
    new.wait_for()
    job = Job.objects.get(replaces=Asset.objects.get(pk=old).job)

    assert (pages, moved != old) == (1, True)
    assert job.prompt.endswith("\nShow it from the left")
    assert new.get_attribute("data-key") == str(Asset.objects.get(job=job).pk)
    page.locator(f"[data-asset='{old}']").focus()
    page.keyboard.press("a")
    page.keyboard.press("Control+Enter")
    page.locator(".messagelist").wait_for()
    assert Asset.objects.get(job=job).review_state == "approved"
    assert Asset.objects.get(pk=old).review_state != "approved"
    assert real(page.complaints) == []


def test_an_image_is_made_anew_and_another_described_by_mouse(
    page: Any, live_server: Any, start: Callable[..., Batch]
) -> None:
    batch = start()
    open_grid(page, live_server, batch)
    tiles = page.locator("[data-asset]")
    first = tiles.nth(0)
    first.locator("summary").click()
    first.locator("[data-again]").click()
    first.locator("[role=alert]").wait_for()
    refused = first.locator("[role=alert]").inner_text()
    first.locator("[data-note]").fill("Warmer light")
    first.locator("[data-again]").click()
    first.locator("[data-key]").and_(
        page.locator(f":not([data-key='{first.get_attribute('data-asset')}'])")
    ).wait_for()
    second = tiles.nth(1)
    second.locator("summary").click()
    second.locator("[data-alt]").fill("A cup on a table")
    second.locator("[data-stars]").select_option("5")
    page.click("button:has-text('Save decisions')")
    page.locator(".messagelist").wait_for()

    assert "The note is empty." in refused
    assert Job.objects.filter(replaces__isnull=False).count() == 1
    assert Asset.objects.filter(alt_text="A cup on a table").count() == 1
    assert [c for c in real(page.complaints) if "422" not in c] == []


def test_a_reload_keeps_what_was_chosen_and_a_second_person_is_told(
    page: Any, live_server: Any, start: Callable[..., Batch]
) -> None:
    batch = start()
    open_grid(page, live_server, batch)
    for key in ("a", "a", "r"):
        page.keyboard.press(key)
    wait_until(page, "sessionStorage.length > 0")
    page.reload()
    page.locator("[data-decision=reject]").wait_for()
    kept = page.locator("[data-decision=approve]").count()
    decided = page.locator("[data-asset]").nth(0).get_attribute("data-asset")
    review.reject(actor=System("other"), asset=Asset.objects.get(pk=decided))
    page.keyboard.press("Tab")
    page.locator("[data-asset]").first.focus()
    page.keyboard.press("Control+Enter")
    page.locator(".messagelist").wait_for()

    assert kept == 2
    assert "Meanwhile its review has changed" in page.locator(".messagelist").inner_text()
    assert Asset.objects.get(pk=decided).review_state == "rejected"
    assert page.evaluate("sessionStorage.length") == 0


def test_images_are_placed_on_a_date(
    page: Any,
    live_server: Any,
    start: Callable[..., Batch],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch = start(2)
    open_grid(page, live_server, batch)
    for _image in range(2):
        page.keyboard.press("a")
    when = timezone.localtime(clock.now() + timedelta(days=3))
    page.fill("[name=place_at]", when.strftime("%Y-%m-%dT%H:%M"))
    page.click("button:has-text('Save decisions')")
    page.locator(".messagelist", has_text="will be placed on").wait_for()
    placed_at_once = Placement.objects.count()
    open_run(page, live_server, batch)
    page.locator("#imagegen-scheduled").wait_for()
    gone = ScheduledPlacement.objects.order_by("pk")[0]
    Product.objects.filter(pk=gone.object_id).delete()
    later = clock.now() + timedelta(days=4)
    monkeypatch.setattr(clock, "now", lambda: later)
    scheduled_placements.place_due()
    monkeypatch.undo()
    page.reload()

    assert placed_at_once == 0
    assert Placement.objects.count() == 1
    assert "The object was deleted meanwhile." in page.locator(".imagegen-scheduled").inner_text()
    assert real(page.complaints) == []


def test_a_stop_rule_pauses_the_batch_and_the_page_says_which(
    page: Any, live_server: Any, start: Callable[..., Batch], settings: Any
) -> None:
    names = list(Product.objects.order_by("pk").values_list("name", flat=True)[:2])
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "SCREENERS": [
            {
                "BACKEND": "imagegen_app.moderation.block_list.BlockList",
                "NAME": "words",
                "STAGES": ["prompt"],
                "OPTIONS": {"terms": names},
            }
        ],
    }
    batch = start(4, max_blocked=2)
    open_run(page, live_server, batch)
    headline = page.locator(".imagegen-headline").inner_text()
    rule = page.locator(".imagegen-rules .is-near").inner_text()
    page.click("a:has-text('Blocked (2)')")
    page.locator("[aria-current]:has-text('Blocked (2)')").wait_for()

    assert "the content check has blocked too many rows" in headline
    assert "2 of 2" in rule
    assert page.locator(".imagegen-run-table tbody tr").count() == 2
    assert real(page.complaints) == []


@pytest.mark.parametrize("way", ["mouse", "keyboard"])
def test_failed_rows_of_a_filter_are_requested_again(
    page: Any, live_server: Any, start: Callable[..., Batch], settings: Any, way: str
) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "ENGINE": "tests.services.silent_engine.SilentEngine"}
    batch = start(3)
    row_jobs.create_next_jobs()
    for job in leases.claim(limit=2, owner="w"):
        transitions.cancel(job, None, charge=None)
    for job in Job.objects.filter(state="cancelled"):
        change(job, state="failed", error_code="provider_error")
    change(batch, failed=2, cancelled=0)
    open_run(page, live_server, batch)

    def press(selector: str) -> None:
        if way == "mouse":
            page.click(selector)
        else:
            page.locator(selector).focus()
            page.keyboard.press("Enter")

    press("a:has-text('Failed (2)')")
    press("button:has-text('Re-run all 2 rows')")
    page.locator("text=Estimated cost").wait_for()
    press("button:has-text('Request them')")
    page.locator(".messagelist", has_text="2 jobs were requested again").wait_for()
    row_jobs.create_next_jobs()

    assert Job.objects.filter(replaces__state="failed").count() == 2
    assert real(page.complaints) == []


def test_a_new_seed_is_chosen_for_single_rows_while_the_list_is_renewed(
    page: Any, live_server: Any, start: Callable[..., Batch]
) -> None:
    batch = start(3)
    open_run(page, live_server, batch)
    page.locator(".imagegen-run-table input[type=checkbox]").nth(1).check()
    page.click("button:has-text('New seed for the selected rows')")
    cost = page.locator("text=Estimated cost").inner_text()
    page.click("button:has-text('Request them')")
    page.locator("text=1 job was requested again").wait_for()
    page.locator("text=Finished: 3 of 3").wait_for()

    assert "0.02" in cost
    assert Job.objects.filter(replaces__isnull=False).count() == 1
    assert page.locator(".imagegen-run-table tbody tr").count() == 3
    assert real(page.complaints) == []
