"""The compliance journey: one published image, its whole story, the log, the evidence."""

from __future__ import annotations

import io
import json
import time
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.site import PATIENCE_MS, barriers, shoot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.browser.site import Site

pytestmark = pytest.mark.browser


def test_an_image_found_on_the_site_is_answered_for(
    demo: Site, visit: Callable[..., Any], published: str
) -> None:
    page = visit("compliance", width=1440)
    until = time.monotonic() + PATIENCE_MS / 1000
    history = ""
    while "entry " not in history and time.monotonic() < until:  # until a worker sealed the events
        page.wait_for_timeout(500)
        page.goto(f"{demo.url}/en/admin/imagegen/asset/{published}/change/")
        history = page.locator("#content").inner_text()
    shoot(page, "image-story")
    found = barriers(page, of="#content")
    with page.expect_download() as download:
        page.click("text=Evidence pack")
    pack = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes()))
    manifest = json.loads(pack.read("MANIFEST.json"))
    page.goto(f"{demo.url}/en/admin/imagegen/job/log/")
    page.click("text=Verify the log now")
    page.locator(".imagegen-ok").wait_for()
    verdict = page.locator(".imagegen-verdict").inner_text()
    found += barriers(page, of="#content")
    shoot(page, "log-verified")

    for part in (
        "Edda Brandt",
        "Product still life",
        "Sandbox 1",
        "A calm product photograph",
        "0.08 USD",
        "block list",
        "approved",
        "Product",
        "Content Credentials",
        "trainedAlgorithmicMedia",
        "unchanged",
        "entry ",
    ):
        assert part.lower() in history.lower(), part
    assert "{" not in history
    assert set(manifest) == set(pack.namelist()) - {"MANIFEST.json", "MANIFEST.note"}
    assert "unaltered" in verdict
    assert found == []


def test_the_evidences_page_is_read_and_printed_without_barriers(
    demo: Site, visit: Callable[..., Any], published: str, tmp_path: Path
) -> None:
    page = visit("compliance", width=1440)
    page.goto(f"{demo.url}/en/admin/imagegen/asset/{published}/change/")
    with page.expect_download() as download:
        page.click("text=Evidence pack")
    pack = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes()))
    story = tmp_path / "story.html"
    story.write_bytes(pack.read("story.html"))

    page.goto(story.as_uri())
    found = barriers(page)
    text = page.locator("body").inner_text()
    is_shown = page.evaluate("document.images[0].naturalWidth > 0")
    is_styled = page.evaluate("getComputedStyle(document.querySelector('h1')).marginTop")
    page.set_viewport_size({"width": 390, "height": 800})
    width = page.evaluate("document.documentElement.scrollWidth")
    page.emulate_media(media="print")
    max_width = page.evaluate("getComputedStyle(document.body).maxWidth")

    assert found == []
    assert "Edda Brandt" in text
    assert (is_shown, is_styled, width, max_width) == (True, "0px", 390, "none")
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_personal_texts_are_erased_on_a_page_without_barriers(
    demo: Site, visit: Callable[..., Any]
) -> None:
    page = visit("compliance", width=390)
    page.goto(f"{demo.url}/en/admin/imagegen/job/erasure/?subject=editor")
    found = barriers(page, of="#content")
    width = page.evaluate("document.documentElement.scrollWidth")
    preview = page.locator("#content").inner_text()

    assert "This cannot be undone." in preview
    assert (found, width) == ([], 390)


def test_the_list_of_images_is_exported_as_a_table(
    demo: Site, visit: Callable[..., Any], published: str
) -> None:
    page = visit("compliance")
    page.goto(f"{demo.url}/en/admin/imagegen/asset/?q={published}")
    page.check("#action-toggle")
    page.select_option("select[name=action]", "export")
    with page.expect_download() as download:
        page.click("button[name=index]")
    text = download.value.path().read_text(encoding="utf-8-sig")

    assert text.splitlines()[0].startswith('"asset","title","alt_text","review_state"')
    assert published in text
