"""The pages of a batch: nothing is made that was not shown, and nothing is said that is not so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.core.actors import System
from imagegen_app.models import Asset, Batch, Grant, Job
from imagegen_app.services.batches import batch_actions, row_jobs
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs import leases, transitions
from imagegen_app.services.library import review
from imagegen_app.services.policy import access
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_attempt
from project.catalog.models import Product
from tests.admin.test_studio import edda, shop  # noqa: F401 - fixtures
from tests.services.arranged import change_job

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.usefixtures("shop")


@pytest.fixture
def browser(edda: Client, settings: Any) -> Client:  # noqa: F811 - the fixture
    """A browser at a site whose worker works only when it is told to."""
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "ENGINE": "tests.services.silent_engine.SilentEngine",
        "REQUIRE_SECOND_REVIEWER": True,
    }
    return edda


def choose(browser: Client, number: int = 3) -> tuple[str, dict[str, str]]:
    """Select objects; return the address of the page, and what its form sends."""
    keys = list(Product.objects.order_by("pk").values_list("pk", flat=True)[:number])
    went = browser.post(
        reverse("admin:catalog_product_changelist"),
        {"action": "generate_images", "_selected_action": keys},
    )
    plan = {
        "template": "product-still-life",
        "shown_template": "product-still-life",
        "map_product": "name",
        "map_material": "material",
        "map_colour": "colour",
        "fix_setting": "on a light table",
    }
    return str(went["Location"]), plan


@use_case(audited=False)
def remove_grants() -> None:
    Grant.objects.all().delete()


def preview(browser: Client, address: str, plan: dict[str, str]) -> dict[str, str]:
    page = browser.post(address, {**plan, "preview": ""}).content.decode()
    hidden = dict(re.findall(r'type="hidden" name="(key|shown_plan)" value="([^"]+)"', page))
    return {**plan, **hidden}


def start(browser: Client, number: int = 3, **changes: str) -> Batch:
    address, plan = choose(browser, number)
    sent = preview(browser, address, {**plan, **changes})
    assert browser.post(address, {**sent, "start": ""}).status_code == 302
    return Batch.objects.latest("created_at")


def status(browser: Client, batch: Batch) -> str:
    return browser.get(reverse("admin:imagegen_batch_status", args=[batch.pk])).content.decode()


def test_no_image_is_made_of_a_prompt_that_was_not_shown(browser: Client) -> None:
    address, plan = choose(browser)
    sent = preview(browser, address, plan)

    changed = browser.post(address, {**sent, "fix_setting": "against a plain wall", "start": ""})
    nothing = Batch.objects.count()
    shown = changed.content.decode()
    again = dict(re.findall(r'type="hidden" name="(shown_plan)" value="([^"]+)"', shown))
    started = browser.post(
        address, {**sent, **again, "fix_setting": "against a plain wall", "start": ""}
    )

    assert nothing == 0
    assert "not those that were shown" in shown
    assert "against a plain wall" in shown
    assert (started.status_code, Batch.objects.count()) == (302, 1)


def test_a_pilot_is_said_beside_the_button_and_its_field_stays_open(browser: Client) -> None:
    address, plan = choose(browser)
    plan |= {"pilot_rows": "0", "max_failure_percent": "50"}

    with_pilot = browser.post(address, {**plan, "pilot_rows": "2", "preview": ""}).content.decode()
    without = browser.post(address, {**plan, "preview": ""}).content.decode()

    assert "First a pilot of 2 rows is made; the rest waits until you start it." in with_pilot
    assert '<details class="imagegen-panel" open><summary>When to pause' in with_pilot
    assert "First a pilot" not in without
    assert '<details class="imagegen-panel"><summary>When to pause' in without


def test_an_object_that_changed_since_the_preview_is_shown_again(browser: Client) -> None:
    address, plan = choose(browser)
    sent = preview(browser, address, plan)
    Product.objects.filter(pk=Product.objects.earliest("pk").pk).update(name="Anvil")

    shown = browser.post(address, {**sent, "start": ""}).content.decode()

    assert "not those that were shown" in shown
    assert "Anvil" in shown
    assert not Batch.objects.exists()


def test_a_pilot_is_said_to_be_made_only_once_it_is(browser: Client) -> None:
    batch = start(browser, pilot_rows="2")
    row_jobs.create_next_jobs()
    while_made = status(browser, batch)
    driver.drive(seconds=20)
    once_made = status(browser, batch)

    assert "The pilot is complete" not in while_made
    assert "being made" in while_made
    assert "data-done" not in while_made
    assert "The pilot is complete" in once_made
    assert "data-done" in once_made
    assert Job.objects.count() == 2


def test_a_pilot_with_a_lost_call_is_not_complete_and_says_who_decides(browser: Client) -> None:
    batch = start(browser, pilot_rows="2")
    row_jobs.create_next_jobs()
    lost = Job.objects.earliest("pk")
    make_attempt(job=lost, state="unknown")
    change_job(lost, state="uncertain")
    driver.drive(seconds=20)

    shown = status(browser, batch)

    assert "The pilot is complete" not in shown
    assert "waits for a decision" in shown
    assert "Ask the image administrators" in shown


def test_a_paused_batch_is_watched_while_calls_are_finished(browser: Client) -> None:
    batch = start(browser)
    row_jobs.create_next_jobs()
    (running,) = leases.claim(limit=1, owner="w")
    owner = batch.requester
    batch_actions.pause(actor=access.actor_for(owner), batch=batch)
    while_running = status(browser, batch)
    transitions.cancel(running, None, charge=None)
    at_rest = status(browser, batch)

    assert "data-done" not in while_running
    assert "data-done" in at_rest
    # Nothing is in progress where nothing moves.
    assert at_rest.count('data-state="paused"') == 2
    assert 'data-state="queued"' not in at_rest


def test_choosing_the_same_objects_again_tells_of_the_images_that_wait(
    browser: Client, django_user_model: Any
) -> None:
    batch = start(browser)
    address, _plan = choose(browser)
    before = browser.get(address).content.decode()
    row_jobs.create_next_jobs()
    under_way = browser.get(address).content.decode()
    driver.drive(seconds=20)
    address, _plan = choose(browser)
    waiting = browser.get(address).content.decode()
    grid = reverse("admin:imagegen_batch_review", args=[batch.pk])
    reviewed = browser.get(grid).content.decode()
    django_user_model.objects.exclude(pk=batch.requester_id).update(is_active=False)
    alone = browser.get(grid).content.decode()
    for asset in Asset.objects.all():
        review.reject(actor=System("reviewer"), asset=asset)
    decided = browser.get(address).content.decode()

    assert "have not ended" not in before
    assert "3 jobs for these rows have not ended" in under_way
    assert "3 images of these rows wait for review" in waiting
    assert grid in waiting
    assert "wait for review already" not in decided
    assert "Nobody else on this site may approve images." in alone
    assert "Nobody else" not in reviewed


def test_a_step_that_is_missing_is_named_with_the_way_to_it(
    browser: Client, admin_client: Client
) -> None:
    remove_grants()
    step = f"{reverse('admin:imagegen_setup')}#step-grant"

    shown = {}
    for name, client in (("editor", browser), ("admin", admin_client)):
        address, _plan = choose(client)
        html = client.get(address).content.decode()
        assert "No model is released to a group yet." in html
        shown[name] = f'href="{step}"' in html

    assert shown == {"editor": False, "admin": True}
