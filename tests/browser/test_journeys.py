"""What people do in a real browser."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from imagegen_app.models import Asset, Placement
from project.catalog.models import Product

pytestmark = pytest.mark.browser
PATHS = ("job/studio/", "asset/", "job/", "batch/")
WIDTHS = (390, 1440)


def real(complaints: list[str]) -> list[str]:
    """Leave out the browser's own job request for an icon."""
    return [c for c in complaints if "404" not in c]


def test_an_editor_generates_beside_a_products_image_field(page: Any, live_server: Any) -> None:
    product = Product.objects.get(sku="HH-MUG-02")
    page.goto(f"{live_server.url}/en/admin/catalog/product/{product.pk}/change/")
    page.click("[data-imagegen-open]")
    studio = page.frame_locator("dialog iframe")
    filled = studio.locator("[name=v_product]").input_value()
    studio.locator("[name=generate]").click()
    studio.locator(".is-current a.imagegen-button:has-text('Use this image')").nth(2).click()
    studio.locator("#imagegen-alt").fill("A small cup")
    studio.locator("button:has-text('Use this image')").click()
    page.locator("[data-picked] img").wait_for(state="visible")
    page.click("input[name=_save]")
    page.wait_for_url("**/product/")

    product.refresh_from_db()
    assert filled == product.name
    assert Placement.objects.get().placed_value == product.image.name
    assert Asset.objects.get(review_state="approved").alt_text == "A small cup"
    assert real(page.complaints) == []


def test_a_batch_is_approved_by_keyboard_alone(page: Any, live_server: Any) -> None:
    shelf = Product.objects.get(sku="HH-MUG-02").category_id
    page.goto(f"{live_server.url}/en/admin/catalog/product/?category__id__exact={shelf}")
    page.check("#action-toggle")
    page.select_option("select[name=action]", "generate_images")
    page.click("button[name=index]")
    page.click("button[name=start]")
    page.locator("text=Finished:").wait_for()
    page.click("text=Review the images")
    # The script has taken over once the tiles say what is decided.
    page.locator("[data-asset][data-decision]").first.wait_for()
    page.locator("[data-asset]").first.focus()
    # The list of keys, and back to the image.
    page.keyboard.press("?")
    assert page.evaluate("document.activeElement.closest('dialog')?.open")
    page.keyboard.press("?")
    assert page.evaluate("document.activeElement.matches('[data-asset]')")
    for key in ("a", "a", "r", "ArrowLeft", "u"):
        page.keyboard.press(key)
    page.keyboard.press("Control+Enter")
    page.locator(".messagelist").wait_for()

    reviews = sorted(Asset.objects.values_list("review_state", flat=True))
    assert reviews.count("approved") == 2
    assert reviews.count("rejected") == 0
    assert Product.objects.exclude(image="").count() == 2
    assert real(page.complaints) == []


def test_a_hint_that_is_sent_away_leaves_at_once_and_stays_away(
    page: Any, live_server: Any
) -> None:
    address = f"{live_server.url}/en/admin/"
    page.goto(address)
    page.locator("imagegen-hint:defined").wait_for()
    page.evaluate("window.isSamePage = true")

    page.click("imagegen-hint button")
    page.locator("imagegen-hint").wait_for(state="detached")

    assert page.evaluate("window.isSamePage")
    assert page.evaluate("document.activeElement.localName") == "h1"
    page.goto(address)
    assert page.locator(".imagegen-door-card").count() > 0
    assert page.locator("imagegen-hint").count() == 0
    assert real(page.complaints) == []


def test_a_page_of_ours_keeps_the_policy_and_never_scrolls_sideways(
    page: Any, live_server: Any
) -> None:
    wrong: dict[tuple[str, int], list[str]] = {}
    for path, width in itertools.product(PATHS, WIDTHS):
        page.set_viewport_size({"width": width, "height": 900})
        response = page.goto(f"{live_server.url}/en/admin/imagegen/{path}")
        reached = page.evaluate("document.documentElement.scrollWidth")
        problems = real(page.complaints)
        page.complaints.clear()
        if "script-src 'self'" not in response.headers.get("content-security-policy", ""):
            problems.append("no policy")
        if reached > width:
            problems.append(f"{reached} pixels wide")
        if problems:
            wrong[path, width] = problems

    assert wrong == {}


def test_markup_in_a_prompt_stays_text_on_every_page_of_a_request(
    page: Any, live_server: Any
) -> None:
    page.goto(f"{live_server.url}/en/admin/imagegen/job/studio/")
    page.select_option("[name=template]", "")
    page.fill("[name=prompt]", "<img src=x onerror=alert(1)><script>alert(2)</script>")
    page.click("[name=generate]")
    page.locator(".is-current a.imagegen-button:has-text('Use this image')").first.wait_for()
    asset = Asset.objects.first()
    assert asset is not None
    for path in (f"job/{asset.job_id}/change/", f"asset/{asset.pk}/change/", "auditevent/"):
        page.goto(f"{live_server.url}/en/admin/imagegen/{path}")

    assert not [c for c in page.complaints if c.startswith("dialog")]
