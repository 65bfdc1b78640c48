"""The compliance journey: one published image, its whole story, the log, the evidence."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.site import barriers, shoot

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.site import Site

pytestmark = pytest.mark.browser


def test_an_image_found_on_the_site_is_answered_for(
    demo: Site, visit: Callable[..., Any], published: str
) -> None:
    page = visit("compliance", width=1440)
    history = ""
    for _ in range(60):
        page.goto(f"{demo.url}/en/admin/imagegen/asset/{published}/change/")
        history = page.locator("#content").inner_text()
        if "entry " in history:
            break
        page.wait_for_timeout(500)  # until the worker has sealed the events
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
    assert set(manifest) == set(pack.namelist()) - {"MANIFEST.json"}
    assert "unaltered" in verdict
    assert found == []


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
