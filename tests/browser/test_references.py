"""Images to start from, in a browser: dragged in, pasted, chosen from the library, and removed by keyboard."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from imagegen_app.models import Asset, Job
from imagegen_app.testing.factories import make_asset, make_image
from tests.browser.site import barriers, shoot, wait_for_options, wait_until

pytestmark = pytest.mark.browser

#: Hands files to the page as a drag, or as the clipboard, would.
HAND_IN = """([selector, type, names, data]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const held = new DataTransfer();
  for (const name of names) held.items.add(new File([bytes], name, { type: "image/png" }));
  const target = document.querySelector(selector);
  const event = type === "paste"
    ? new ClipboardEvent(type, { clipboardData: held, bubbles: true, cancelable: true })
    : new DragEvent(type, { dataTransfer: held, bubbles: true, cancelable: true });
  target.dispatchEvent(event);
}"""
DROP_ASSET = """([selector, asset]) => {
  const held = new DataTransfer();
  held.setData("application/x-imagegen-asset", asset);
  const options = { dataTransfer: held, bubbles: true, cancelable: true };
  document.querySelector(selector).dispatchEvent(new DragEvent("drop", options));
}"""
ROWS = "[...document.querySelectorAll('.imagegen-reference')].map((r) => [r.querySelector('[data-name]').textContent.trim(), r.querySelector('select').value])"


@pytest.fixture
def picture(owner: Any) -> Asset:
    return make_asset(requester=owner, review_state="pending", alt_text="A vase by the window")


@pytest.fixture
def studio(page: Any, live_server: Any, picture: Asset) -> Any:
    page.goto(f"{live_server.url}/en/admin/imagegen/job/studio/")
    page.locator("imagegen-references [data-act=files]:visible").wait_for()
    page.fill("[name=prompt]", "A mug")
    page.check("[name=count][value='1']")
    wait_for_options(page)
    return page


def hand_in(page: Any, kind: str, *names: str) -> None:
    data = base64.b64encode(make_image()).decode()
    target = "[name=prompt]" if kind == "drop" else "body"
    page.evaluate(HAND_IN, [target, kind, list(names), data])
    wait_for_options(page)


def test_files_are_dragged_and_pasted_the_library_is_dragged_and_each_has_its_role(
    studio: Any, picture: Asset
) -> None:
    page = studio
    hand_in(page, "drop", "one.png")
    hand_in(page, "paste", "two.png")
    page.evaluate(DROP_ASSET, ["[data-drop]", str(picture.pk)])
    page.locator("[name=taken_0]").wait_for(state="attached")
    wait_for_options(page)
    shoot(page, "studio-references")
    found = barriers(page, of="#content")
    rows = page.evaluate(ROWS)

    page.locator(".imagegen-reference", has_text="two.png").locator("select").select_option("style")
    wait_for_options(page)
    page.locator("[name=taken_0_role]").select_option("control:depth")
    wait_for_options(page)
    page.fill("[name=taken_0_weight]", "0.5")
    wait_for_options(page)
    moved = page.evaluate(ROWS)
    with page.expect_navigation():
        page.click("[name=generate]")

    job = Job.objects.latest("created_at")
    inputs = {entry.role: entry for entry in job.inputs.all()}
    assert rows == [
        ["A vase by the window", "image"],
        ["one.png", "image"],
        ["two.png", "image"],
    ]
    assert moved == [
        ["A vase by the window", "control:depth"],
        ["one.png", "image"],
        ["two.png", "style"],
    ]
    assert set(inputs) == {"image", "style", "control"}
    assert (inputs["control"].asset, inputs["control"].guide["weight"]) == (picture, 0.5)
    assert found == []
    assert page.complaints == []


def test_the_chooser_of_the_library_and_removing_by_keyboard(studio: Any, picture: Asset) -> None:
    page = studio
    page.focus("[data-imagegen-open]")
    page.keyboard.press("Enter")
    dialog = page.frame_locator("dialog iframe")
    dialog.locator("[data-tile] a").first.focus()
    dialog.locator("[data-tile] a").first.press("Enter")
    page.locator("[name=taken_0]").wait_for(state="attached")
    wait_for_options(page)
    hand_in(page, "drop", "one.png")
    taken = page.evaluate(ROWS)

    page.locator(".imagegen-reference [data-act=remove]").first.focus()
    page.keyboard.press("Delete")
    wait_for_options(page)
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("Enter")
    wait_for_options(page)
    wait_until(page, "document.querySelectorAll('.imagegen-reference').length === 0")

    assert taken == [["A vase by the window", "image"], ["one.png", "image"]]
    assert focused == "Remove this image: one.png"
    assert page.evaluate("document.activeElement.dataset.act") == "files"
    assert page.inner_text("[data-reference-told]") == "one.png was removed."
    assert page.complaints == []


def test_what_is_no_image_and_what_is_one_too_many_is_said(studio: Any) -> None:
    page = studio
    names = [f"{number}.png" for number in range(9)]
    hand_in(page, "drop", *names)
    count = len(page.evaluate(ROWS))

    assert count == 8
    assert page.inner_text("[data-reference-problem]") == (
        "This model takes no more images. Remove one first."
    )
