"""Objects are selected, texts written for them, one is changed, and a batch is made of them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from imagegen_app.models import Batch, UploadedTable
from project.catalog.models import Product
from tests.browser.site import barriers, shoot
from tests.browser.test_journeys import real
from tests.services.batches.test_row_texts import HERE, RowWriter

pytestmark = pytest.mark.browser
ROWS = 3


def test_texts_are_written_read_changed_and_become_images(
    page: Any, live_server: Any, shop: Any
) -> None:
    shop.IMAGEGEN = {
        **shop.IMAGEGEN,
        "TEXT_MODEL": {"BACKEND": f"{HERE}.RowWriter", "NAME": "rows", "PRICE": "0.002"},
    }
    RowWriter.answers, RowWriter.asked, RowWriter.told = {}, [], []
    page.goto(f"{live_server.url}/en/admin/catalog/product/")
    for place in range(ROWS):
        page.locator("input.action-select").nth(place).check()
    page.select_option("select[name=action]", "generate_images")
    page.click(".actions button")
    page.click("text=Have texts written for the rows")
    page.fill("[name=column]", "product")
    page.fill("[name=instruction]", "One sentence of place")
    asking = barriers(page, of="#content")
    page.click(f"text=Have {ROWS} texts written")

    # The page learns by itself that they are there.
    page.locator("imagegen-live [data-done]").wait_for()
    page.click("text=Show the newest texts")
    first = page.locator("[name=text_0]")
    assert re.fullmatch(r".+ at dawn\.", first.input_value())
    first.fill("A mug on a beach")
    page.click("text=Keep the changed texts")
    page.locator("text=1 text was kept.").wait_for()
    reading = barriers(page, of="#content")
    shoot(page, "row-texts")

    page.click("text=Use these texts in a batch")
    assert page.input_value("[name=map_product]") == "product"
    page.click("button[name=preview]")
    page.locator(f"text=All {ROWS} rows are checked").wait_for()
    page.click("button[name=start]")
    page.locator("[data-final], .imagegen-run, imagegen-live").first.wait_for()
    page.wait_for_url("**/run/")
    batch = Batch.objects.get()
    assert batch.table == UploadedTable.objects.get()
    assert set(batch.rows) <= {str(key) for key in Product.objects.values_list("pk", flat=True)}
    assert (asking, reading, real(page.complaints)) == ([], [], [])
