"""A brand's colours are edited by eye and by code, and images that are out of date are made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.site import barriers

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.site import Site

pytestmark = pytest.mark.browser


def test_a_palette_follows_what_is_written_and_chosen(
    demo: Site, visit: Callable[..., Any]
) -> None:
    page = visit("admin", width=1440)
    page.goto(f"{demo.url}/en/admin/imagegen/brandkit/add/")
    row = page.locator("[data-row]").first
    page.fill("[name=name]", "Autumn")
    page.fill("[name=palette_name_1]", "Leaf")
    page.fill("[name=palette_code_1]", "2E7D32")
    shown = row.locator("rect").get_attribute("fill")
    page.press("[name=palette_code_1]", "Tab")
    written = page.input_value("[name=palette_code_1]")
    page.fill("[name=palette_name_2]", "Clay")
    page.locator("[data-row]").nth(1).locator("[type=color]").fill("#b5532f")
    page.fill("[name=style_words]", "warm evening light")
    complaints = list(page.complaints)
    # axe-core itself writes styles, of which the console complains.
    faults = barriers(page, of=".imagegen-palette")
    page.click("[name=_save]")
    page.locator(".messagelist").wait_for()

    assert (shown, written) == ("#2e7d32", "#2e7d32")
    assert demo.ask(
        "select v.palette from imagegen_brandkitversion v join imagegen_brandkit k"
        " on k.id = v.kit_id where k.slug = 'autumn'"
    ) == [('[{"name": "Leaf", "code": "#2e7d32"}, {"name": "Clay", "code": "#b5532f"}]',)]
    assert faults == []
    assert complaints == []


def test_the_studio_shows_what_a_kit_adds(demo: Site, visit: Callable[..., Any]) -> None:
    page = visit("editor")
    page.goto(f"{demo.url}/en/admin/imagegen/job/studio/?session=new")
    page.fill("#id_prompt", "A mug on a table")
    page.select_option("[name=brand_kit]", "morning-light")

    added = page.locator(".imagegen-final .imagegen-added")
    added.wait_for()

    assert added.inner_text().startswith(", soft morning light")
    assert page.complaints == []


def test_an_image_that_is_out_of_date_is_made_anew_by_keyboard(
    demo: Site, visit: Callable[..., Any], published: str
) -> None:
    ((key, name),) = demo.ask(
        "select p.id, p.name from catalog_product p join imagegen_placement i"
        " on i.object_id = cast(p.id as text) where i.asset_id = ? and i.removed_at is null",
        published.replace("-", ""),
    )
    demo.change("update catalog_product set name = 'Tall vase' where id = ?", key)
    page = visit("admin", width=1440)
    page.goto(f"{demo.url}/en/admin/imagegen/job/batches/out-of-date/")
    row = page.locator("tbody tr", has_text="Tall vase")
    changed = row.locator("td").first.inner_text()
    faults = barriers(page, of=".imagegen-page")
    for box in page.locator("[name=row]").all():
        if box.is_checked() and box.locator("xpath=ancestor::tr").inner_text() not in (
            row.inner_text()
        ):
            box.press("Space")
    page.locator("button[name=selected]").press("Enter")
    page.locator("text=Finished: 1 of 1").wait_for()
    page.goto(f"{demo.url}/en/admin/imagegen/job/batches/out-of-date/")
    asked = page.locator("tbody tr", has_text="Tall vase").inner_text()
    demo.change("update catalog_product set name = ? where id = ?", name, key)

    assert f"{name} → Tall vase" in changed
    assert "A new one was asked for" in asked
    assert faults == []
    assert page.complaints == []
