"""The editor's journey: from an empty place on a page to a published, labelled image."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.site import barriers, shoot, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.site import Site

pytestmark = pytest.mark.browser
ALT = "A quiet room with a kiln in the corner"


@pytest.mark.slow
def test_an_editor_adds_a_generated_image_to_a_page_and_publishes_it(
    demo: Site, visit: Callable[..., Any]
) -> None:
    page = visit("editor", width=1440)
    form = _add_plugin(page, f"{demo.url}/en/journal/")
    form.locator("[data-imagegen-open]").first.click()
    studio = form.frame_locator("dialog iframe")
    studio.locator("[name=template]").select_option("page-hero")
    studio.locator("[name=v_topic]").fill("pottery and slow mornings")
    promise = studio.locator(".imagegen-generate")
    promise.filter(has_text="about 0.082 USD").wait_for()
    left = promise.inner_text()
    promise.click()
    studio.locator(".imagegen-tile").nth(3).wait_for()
    studio.locator(".is-current a.imagegen-button:has-text('Use this image')").first.wait_for()
    tiles = studio.locator(".is-current .imagegen-turn-tiles img")
    shapes = {(t.get_attribute("width"), t.get_attribute("height")) for t in tiles.all()}
    shoot(page, "studio-in-a-page")
    studio.locator(".is-current a.imagegen-button:has-text('Use this image')").nth(1).click()
    studio.locator("#imagegen-alt").fill(ALT)
    studio.locator("button:has-text('Use this image')").click()
    form.locator("[data-picked] img").wait_for(state="visible")
    page.click(".cms-modal-buttons .cms-btn-action:has-text('Save')")
    page.locator("figure.imagegen-figure img").wait_for()
    # The CMS then replaces its toolbar: a button pressed before that does nothing.
    page.wait_for_load_state("networkidle")
    page.click(".cms-versioning-js-publish-btn, .cms-toolbar a:text-is('Publish')")
    page.wait_for_url(lambda url: "/edit/" not in url)

    visitor = visit(width=390)
    visitor.goto(f"{demo.url}/en/journal/")
    figure = visitor.locator("figure.imagegen-figure")
    figure.scroll_into_view_if_needed()
    wait_until(visitor, "document.querySelector('figure.imagegen-figure img').naturalWidth > 0")
    media = [s.get_attribute("type") for s in figure.locator("source").all()]
    image = figure.locator("img")
    shown = image.evaluate("e => e.currentSrc")
    answer = visitor.request.get(shown)

    assert re.search(r"\d+\.\d\d USD remain", left)
    assert shapes == {("1536", "864")}
    assert media == ["image/avif", "image/webp"]
    assert ".jpg" in image.get_attribute("src")
    assert image.get_attribute("alt") == ALT
    assert figure.locator(".imagegen-label").is_visible()
    assert "AI generated" in figure.inner_text()
    assert answer.headers["content-type"] == "image/avif"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert visitor.evaluate("document.documentElement.scrollWidth") <= 390
    assert barriers(visitor) == []
    shoot(visitor, "page-published")


def test_an_editor_generates_beside_a_product_by_keyboard_alone(
    demo: Site, visit: Callable[..., Any]
) -> None:
    page = visit("editor")
    (key,) = demo.ask("select id from catalog_product where sku = 'HH-LMP-02'")[0]
    page.goto(f"{demo.url}/en/admin/catalog/product/{key}/change/")
    _tab_to(page, "Generate")
    page.keyboard.press("Enter")
    studio = page.frame_locator("dialog iframe")
    studio.locator(".imagegen-generate:has-text('USD')").wait_for()
    _tab_to(page, "Generate 4", frame=True)
    page.keyboard.press("Enter")
    studio.locator(".is-current a.imagegen-button:has-text('Use this image')").first.wait_for()
    _tab_to(page, "Use this image", frame=True)
    page.keyboard.press("Enter")
    studio.locator("#imagegen-alt").wait_for()
    _tab_to(page, "Use this image", frame=True)
    page.keyboard.press("Enter")
    page.locator("[data-picked] img").wait_for(state="visible")
    focused = page.evaluate("document.activeElement.textContent.trim()")
    page.keyboard.press("Escape")
    page.locator("[name=name]").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/product/")

    (image,) = demo.ask("select image from catalog_product where id = ?", key)[0]
    assert focused == "Generate"
    assert image.endswith(".png")


def _add_plugin(page: Any, address: str) -> Any:
    """Open a new draft of a page, add our plugin by the CMS's own buttons, and return its form."""
    page.goto(address)
    page.click("a:has-text('New Draft')")
    page.wait_for_url("**/edit/**")
    page.click(".cms-toolbar-item-cms-mode-switcher a")
    page.locator(".cms-structure .cms-submenu-add:visible").first.click()
    page.click(".cms-modal a:has-text('Generated image')")
    return page.frame_locator(".cms-modal-frame iframe")


def _tab_to(page: Any, text: str, *, frame: bool = False) -> None:
    """Press Tab until the control of that text is focused."""
    for _ in range(80):
        page.keyboard.press("Tab")
        inner = page.frames[-1] if frame else page.main_frame
        focused = inner.evaluate("(document.activeElement.textContent || '').trim()")
        if focused.startswith(text):
            return
    raise AssertionError(f"{text!r} cannot be reached by Tab")
