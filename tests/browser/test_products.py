"""The product team's journey: thirty products, one template, one review grid, no mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.site import shoot

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.site import Site

pytestmark = pytest.mark.browser
PRODUCTS = 30
REJECTED = 4


@pytest.mark.slow
def test_thirty_products_get_their_images(demo: Site, visit: Callable[..., Any]) -> None:
    page = visit("admin", width=1440)
    page.goto(f"{demo.url}/en/admin/catalog/product/?image__isempty=1")
    boxes = page.locator("input.action-select")
    for number in range(PRODUCTS):
        boxes.nth(number).check()
    page.select_option("select[name=action]", "generate_images")
    page.click("button[name=index]")
    page.locator("#imagegen-preview").wait_for()
    mapped = page.locator(".imagegen-variable select").first.input_value()
    rows = page.locator(".imagegen-table tbody tr").count()
    price = page.locator("button[name=start]").inner_text()
    shoot(page, "batch-plan")
    page.click("button[name=start]")
    page.locator(".imagegen-progress").wait_for()
    shoot(page, "batch-running")
    page.locator("text=Finished: 30 of 30").wait_for()
    page.click("text=Review the images")
    page.locator("[data-asset][data-decision]").first.wait_for()
    page.locator("[data-asset]").first.focus()
    for number in range(PRODUCTS):
        page.keyboard.press("r" if number < REJECTED else "a")
    shoot(page, "batch-review")
    page.keyboard.press("Control+Enter")
    page.locator(".messagelist").wait_for()

    reviews = dict(
        demo.ask(
            # Others share the demo, and have batches of their own.
            "select review_state, count(*) from imagegen_asset a join imagegen_job j on j.id = a.job_id where j.batch_id in (select id from imagegen_batch where title like '%: 30 products') group by 1"
        )
    )
    placed = demo.ask(
        "select count(*) from imagegen_placement p join imagegen_asset a on a.id = p.asset_id join imagegen_job j on j.id = a.job_id where j.batch_id in (select id from imagegen_batch where title like '%: 30 products') and p.removed_at is null"
    )
    visitor = visit()
    visitor.goto(f"{demo.url}/en/shop/")
    assert mapped == "name"
    assert rows >= 10
    assert "30" in price
    assert "0.615" in price
    assert reviews == {"approved": PRODUCTS - REJECTED, "rejected": REJECTED}
    assert placed == [(PRODUCTS - REJECTED,)]
    assert visitor.locator(".imagegen-label").count() >= PRODUCTS - REJECTED
    assert [c for c in page.complaints if "404" not in c] == []
