"""The page of a result, the viewer, the comparison and the frame, in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.models import Asset, AssetRating, Job
from imagegen_app.testing.factories import make_asset, make_attempt
from project.catalog.models import Product
from tests.browser.site import barriers

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.browser
SIZE = (800, 600)


@pytest.fixture
def turn(own_job: Job) -> list[Any]:
    """Two images of one request of the editor's."""
    attempt = make_attempt(job=own_job)
    return [
        make_asset(attempt=attempt, size=SIZE, widths=(400,), review_state="pending", seed=seed)
        for seed in (3, 4)
    ]


@pytest.fixture
def opened(page: Any, live_server: Any) -> Callable[..., Any]:
    def at(name: str, *keys: object, query: str = "") -> Any:
        page.goto(f"{live_server.url}{reverse(f'admin:{name}', args=keys)}{query}")
        return page

    return at


def test_the_result_by_keys_stars_viewer_and_its_neighbours(
    opened: Callable[..., Any], turn: list[Any]
) -> None:
    page = opened("imagegen_studio_result", turn[0].pk)
    keys = page.keyboard
    faults = barriers(page)

    page.focus("[data-open]")
    keys.press("4")
    page.locator("imagegen-stars [data-said]", has_text="4 of 5 stars").wait_for()
    keys.press("Space")
    page.locator("dialog [data-stage]").wait_for()
    in_viewer = page.evaluate("document.activeElement.dataset.stage")
    faults += barriers(page)
    keys.press("1")
    whole = page.inner_text("dialog [data-scale]")
    keys.press("ArrowRight")
    moved = page.evaluate(
        "document.querySelector('dialog [data-stage]').style.getPropertyValue('--x')"
    )
    keys.press("0")
    keys.press("ArrowRight")
    page.locator("dialog [data-said]", has_text="Image 2 of 2").wait_for()
    with page.expect_navigation():
        keys.press("Space")

    assert faults == []
    assert AssetRating.objects.get().stars == 4
    assert in_viewer == ""
    assert whole == "100 %"
    assert moved.endswith("px")
    assert str(turn[1].pk) in page.url
    assert page.complaints == []


def test_the_viewer_gives_the_focus_back(opened: Callable[..., Any], turn: list[Any]) -> None:
    page = opened("imagegen_studio_result", turn[0].pk)

    page.click("[data-open]")
    page.locator("dialog [data-stage]").wait_for()
    page.keyboard.press("Escape")

    assert page.evaluate("document.activeElement.dataset.open") == ""


def test_a_press_on_the_image_sets_the_focal_point(
    opened: Callable[..., Any], turn: list[Any]
) -> None:
    page = opened("imagegen_studio_result", turn[0].pk)
    page.click("summary:has-text('Crop round a point')")
    area = page.locator("[data-area]")
    area.scroll_into_view_if_needed()
    box = area.bounding_box()

    page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.8)
    faults = barriers(page)
    page.click("button:has-text('Keep this point')")
    page.wait_for_load_state()
    across, down = Asset.objects.values_list("focal_x", "focal_y").get(pk=turn[0].pk)

    assert faults == []
    assert abs(float(across or 0) - 0.25) < 0.02
    assert abs(float(down or 0) - 0.8) < 0.02


def test_two_images_are_compared_by_slider_beside_each_other_and_by_difference(
    opened: Callable[..., Any], turn: list[Any]
) -> None:
    page = opened("imagegen_studio_compare", query=f"?a={turn[0].pk}&b={turn[1].pk}")
    clip = "getComputedStyle(document.querySelector('[data-side=A] img')).clipPath"
    faults = barriers(page)

    before = page.evaluate(clip)
    page.focus("[name=split]")
    page.keyboard.press("End")
    after = page.evaluate(clip)
    boxes = []
    for key in ("b", "d", "s"):
        page.focus("[name=mode]:checked")
        page.keyboard.press(key)
        boxes.append([f.bounding_box()["x"] for f in page.locator("[data-side]").all()])
        faults += barriers(page)

    assert faults == []
    assert before != after
    assert boxes[0][0] < boxes[0][1]
    assert boxes[1][0] == boxes[1][1] == boxes[2][0]
    assert page.locator("td", has_text="4").count() == 1
    assert page.complaints == []


def test_a_corner_of_the_frame_moves_two_sides(opened: Callable[..., Any], turn: list[Any]) -> None:
    model = turn[0].job.image_model_id
    query = f"?from={turn[0].pk}&operation=outpaint&image_model={model}"
    page = opened("imagegen_studio", query=query)
    for side in ("left", "top", "right", "bottom"):
        page.fill(f"[name=frame_{side}]", "0")

    page.focus("[data-handle=se]")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    added = {
        side: int(page.input_value(f"[name=frame_{side}]"))
        for side in ("left", "top", "right", "bottom")
    }
    corner = page.locator("[data-handle=nw]").bounding_box()
    x, y = corner["x"] + corner["width"] / 2, corner["y"] + corner["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 30, y - 30, steps=4)
    page.mouse.up()

    assert added["right"] > 0
    assert added["bottom"] > 0
    assert int(page.input_value("[name=frame_left]")) > added["left"]
    assert int(page.input_value("[name=frame_top]")) > added["top"]
    assert page.locator("[data-handle]").count() == 8
    assert page.complaints == []


def test_a_side_of_the_frame_is_moved_by_keys_and_by_mouse(
    opened: Callable[..., Any], turn: list[Any]
) -> None:
    model = turn[0].job.image_model_id
    query = f"?from={turn[0].pk}&operation=outpaint&image_model={model}"
    page = opened("imagegen_studio", query=query)
    for side in ("left", "right"):
        page.fill(f"[name=frame_{side}]", "0")

    page.focus("[data-handle=e]")
    for _ in range(4):
        page.keyboard.press("Shift+ArrowRight")
    by_keys = page.input_value("[name=frame_right]"), page.input_value("[name=frame_left]")
    box = page.locator("[data-handle=s]").bounding_box()
    page.mouse.move(box["x"] + 8, box["y"] + 8)
    page.mouse.down()
    page.mouse.move(box["x"] + 8, box["y"] + 30, steps=4)
    page.mouse.up()
    down = int(page.input_value("[name=frame_bottom]"))
    up = int(page.input_value("[name=frame_top]"))
    page.fill("[name=prompt]", "more of it")
    page.locator("[data-quote] .imagegen-generate", has_text="USD").wait_for()
    faults = barriers(page)
    page.click(".imagegen-generate")
    page.wait_for_url(lambda url: "again=" in url)
    job = Job.objects.latest("created_at")

    assert faults == []
    assert int(by_keys[0]) > 0
    assert by_keys[1] == "0"
    assert down % 8 == 0
    assert down > 0
    assert (job.operation, job.width) == ("outpaint", 800 + int(by_keys[0]))
    assert job.height == 600 + down + up
    assert page.complaints == []


def test_an_image_beside_a_field_is_changed_and_comes_back_to_it(
    page: Any, live_server: Any, turn: list[Any], django_user_model: Any
) -> None:
    from imagegen_app.services.library import placement, review  # noqa: PLC0415 - after the apps
    from imagegen_app.services.policy import access  # noqa: PLC0415

    owner = access.actor_for(django_user_model.objects.get(username="admin"))
    product = Product.objects.order_by("pk")[0]
    review.approve(actor=owner, asset=turn[0])
    placement.attach(actor=owner, asset=turn[0], target=product, field="image")
    change = reverse("admin:catalog_product_change", args=[product.pk])
    page.goto(f"{live_server.url}{change}")

    page.click(".imagegen-quick summary")
    page.click(".imagegen-quick a:has-text('Vary')")
    studio = page.frame_locator("dialog iframe")
    studio.locator(".imagegen-generate", has_text="USD").click()
    studio.locator("a.imagegen-button:has-text('Use this image')").first.click()
    studio.locator("#imagegen-alt").fill("A mug on a table")
    studio.locator("button:has-text('Use this image')").click()
    page.locator("[data-picked] img").wait_for(state="visible")
    made = Job.objects.latest("created_at")

    assert made.operation == "vary"
    assert page.input_value("[name=image-generated]") != ""
    assert page.complaints == []
