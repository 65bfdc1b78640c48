"""The library in a browser: long lists are quick, keys lead everywhere, and "back" leads to the pixel."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from imagegen_app.models import Asset, CollectionItem
from imagegen_app.services.library import bulk_approval
from imagegen_app.testing.factories import make_asset, make_attempt, make_job
from project.catalog.models import Product
from tests.browser.site import barriers, choose_newest, wait_until

pytestmark = pytest.mark.browser
IMAGES = 200
_TOP = """() => {
  const tile = [...document.querySelectorAll("[data-tile]")].find((t) => t.getBoundingClientRect().bottom > 60);
  return [tile.dataset.id, Math.round(tile.getBoundingClientRect().top)];
}"""
_SCROLL = """(by) => {
  let box = document.querySelector("imagegen-grid");
  while (box.parentElement && !(box.scrollHeight > box.clientHeight + 9 && box.clientHeight &&
    /auto|scroll/.test(getComputedStyle(box).overflowY))) box = box.parentElement;
  (box === document.documentElement ? window : box).scrollBy(0, by);
}"""


@pytest.fixture
def library(owner: Any, live_server: Any) -> str:
    """Return the address of a library with pages of images of the editor."""
    attempt = make_attempt(job=make_job(requester=owner))
    for number in range(IMAGES):
        make_asset(attempt=attempt, title=f"Image {number:03}", widths=(), size=(8, 6))
    return f"{live_server.url}{reverse('admin:imagegen_library')}"


def test_a_long_list_is_scrolled_walked_and_returned_to(page: Any, library: str) -> None:
    page.goto(library)
    feed = page.locator("[data-feed].is-window")
    feed.wait_for()

    # Scrolling brings in what comes near, and lets go what is far away.
    for last in ("100", "050"):
        page.evaluate(_SCROLL, 3000)
        page.locator(f"[data-tile]:has-text('Image {last}')").wait_for(state="attached")
    assert page.locator("[data-page]").count() <= 4
    # An image and back again: the same tile at the same place.
    # Left at once: the place is kept all the same.
    page.evaluate(_SCROLL, 40)
    seen = page.evaluate(_TOP)
    page.evaluate("(id) => document.querySelector(`[data-id='${id}'] a`).click()", seen[0])
    page.locator(".imagegen-record").wait_for()
    page.go_back()
    page.locator("[data-feed].is-window").wait_for()
    wait_until(
        page,
        f"(() => {{ const [id, top] = ({_TOP})(); "
        f"return id === '{seen[0]}' && Math.abs(top - {seen[1]}) <= 1; }})()",
    )
    # By keys alone, beyond what has come in; then out of the list.
    page.goto(library)
    page.locator("[data-tile][tabindex='0']").focus()
    for _ in range(13):
        page.keyboard.press("PageDown")
    page.locator("[data-tile]:focus").wait_for()
    page.keyboard.press("ArrowLeft")
    assert page.locator("[data-tile]:focus").count() == 1
    assert page.locator("[data-tile][tabindex='0']").count() == 1
    page.keyboard.press("Control+End")
    assert page.evaluate("document.activeElement.id") == "imagegen-after-library"
    assert page.complaints == []


def test_a_selection_lasts_over_pages_and_is_put_into_a_collection(page: Any, library: str) -> None:
    page.goto(library)
    page.locator("[data-tile][tabindex='0']").focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.reload()
    assert page.locator("[data-count]").inner_text() == "2 selected"
    page.locator("[name=pick]").nth(4).click(modifiers=["Shift"], force=True)

    page.click("button[value=collect]")
    page.fill("#imagegen-name", "Spring")
    assert page.locator(".imagegen-headline").inner_text() == "3 images are selected."
    faults = barriers(page, of=".imagegen")
    page.click(".imagegen-buttons button")
    page.locator(".messagelist").wait_for()
    # All that a filter finds is no list of keys.
    page.goto(f"{library}?q=Image+01")
    page.check("[data-all]")
    page.click("button[value=tag]")
    page.fill("#imagegen-name", "Tens")
    page.click(".imagegen-buttons button")
    page.locator(".messagelist").wait_for()
    page.goto(f"{library}?q=tens")

    assert faults == []
    assert CollectionItem.objects.filter(collection__name="Spring").count() == 3
    tens = sum("01" in f"{number:03}" for number in range(IMAGES))
    assert Asset.objects.filter(asset_tags__tag__name="Tens").count() == tens
    assert page.locator("[data-tile]").count() == tens
    assert barriers(page, of=".imagegen") == []
    assert page.complaints == []


def test_an_image_that_is_there_is_chosen_for_a_field(
    page: Any, library: str, live_server: Any
) -> None:
    product = Product.objects.earliest("pk")
    page.goto(f"{live_server.url}{reverse('admin:catalog_product_change', args=[product.pk])}")
    choose_newest(page)

    page.locator("[data-picked] img").wait_for(state="visible")
    assert page.locator("[data-picked] img").get_attribute("alt") == "A mug on a table"
    assert page.complaints == []


def test_an_approval_of_many_images_goes_on_by_itself_and_can_be_stopped(
    page: Any, owner: Any, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_approval, "AT_ONCE", 60)
    owner.groups.add(Group.objects.get(name="Image reviewers"))
    attempt = make_attempt(job=make_job())
    for _ in range(IMAGES):
        make_asset(attempt=attempt, review_state="pending", widths=(), size=(8, 6))
    page.goto(f"{library}?state=pending")
    page.locator("[data-all]").check()
    page.get_by_role("button", name="Approve…").click()

    # Stopped, what was approved stays so.
    page.get_by_role("button", name="Approve images").click()
    page.get_by_role("status").filter(has_text="60 of 200 images looked at").wait_for()
    assert barriers(page) == []
    page.get_by_role("link", name="Stop here").click()
    page.locator("[data-feed]").wait_for()
    stopped = Asset.objects.filter(review_state="pending").count()

    # Begun anew, it comes to its end without a hand.
    page.locator("[data-all]").check()
    page.get_by_role("button", name="Approve…").click()
    page.get_by_role("button", name="Approve images").click()
    page.get_by_text(f"{stopped} images were approved.").wait_for()

    assert 0 < stopped < IMAGES
    assert not Asset.objects.filter(review_state="pending").exists()
