"""The recipe in a browser: alternatives and grids, the seed, and a file that was made here; by keyboard too."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from imagegen_app.models import Asset, Job
from imagegen_app.testing.factories import make_asset
from tests.browser.site import barriers, shoot, wait_for_options, wait_until
from tests.browser.test_references import HAND_IN
from tests.services.library.test_marked_files import marked

pytestmark = pytest.mark.browser


@pytest.fixture
def studio(page: Any, live_server: Any) -> Any:
    page.goto(f"{live_server.url}/en/admin/imagegen/job/studio/")
    page.locator("imagegen-recipe.is-live").wait_for()
    page.check("[name=count][value='1']")
    return page


def promise(page: Any, text: str) -> None:
    page.locator(f".imagegen-generate:has-text('{text}')").wait_for()


def test_a_grid_is_priced_made_and_seen_with_headings_by_keyboard(studio: Any) -> None:
    page = studio
    page.focus("[name=prompt]")
    page.keyboard.type("A {red|blue} mug")
    promise(page, "Generate 2 in 2 jobs")
    page.focus("[data-section=grid] > summary")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("Seed")
    page.keyboard.press("Tab")
    page.keyboard.type("11, 22")
    promise(page, "Generate 4 in 4 jobs · about 0.08 USD")
    length = page.inner_text("[data-length]")
    found = barriers(page, of="#content")
    shoot(page, "studio-grid-form")
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")
    page.locator(".imagegen-compared img").nth(3).wait_for()
    wait_for_options(page)
    found += barriers(page, of="#content")
    shoot(page, "studio-grid")

    table = page.locator(".imagegen-compared")
    assert length.startswith("16 of at most ")
    assert table.locator("thead th").all_inner_texts() == ["red", "blue"]
    assert table.locator("tbody th").all_inner_texts() == ["11", "22"]
    assert Job.objects.filter(grid__isnull=False).count() == 4
    assert page.input_value("[name=prompt]") == "A {red|blue} mug"
    assert page.input_value("[name=grid_columns_values]") == "11, 22"
    assert found == []
    assert page.complaints == []


def test_a_seed_is_drawn_copied_and_kept(studio: Any) -> None:
    page = studio
    page.fill("[name=prompt]", "A mug")
    page.locator("[data-section=parameters] > summary").click()
    page.focus("#imagegen-seed-new")
    page.keyboard.press("Enter")
    drawn = page.input_value("[name=seed]")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    wait_until(
        page, "document.querySelector('imagegen-seed [data-told]').textContent.includes('copied')"
    )
    page.check("[name=seed_lock]")
    with page.expect_navigation():
        page.click("[name=generate]")
    kept = page.input_value("[name=seed]")
    page.uncheck("[name=seed_lock]")
    with page.expect_navigation():
        page.click("[name=generate]")

    assert re.fullmatch(r"\d+", drawn)
    assert kept == drawn
    assert page.input_value("[name=seed]") == ""
    assert set(Job.objects.values_list("seed", flat=True)) == {int(drawn)}
    assert page.complaints == []


def test_a_file_that_was_made_here_offers_its_recipe(studio: Any, owner: Any) -> None:
    page = studio
    asset: Asset = make_asset(requester=owner, seed=4711)
    data = base64.b64encode(marked(f"xmp.did:{asset.pk}")).decode()
    page.evaluate(HAND_IN, ["#stage", "drop", ["download.webp"], data])
    page.locator("imagegen-recall [data-offer]").wait_for()
    found = barriers(page, of="#content")
    shoot(page, "studio-recall")
    with page.expect_navigation():
        page.click("imagegen-recall a:has-text('Use its recipe')")

    assert page.input_value("[name=prompt]") == "A quiet picture of a mug."
    assert page.input_value("[name=seed]") == "4711"
    assert found == []
    assert page.complaints == []
