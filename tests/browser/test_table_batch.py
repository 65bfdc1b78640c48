"""A CSV of thirty rows becomes thirty images, by mouse and by keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.models import Batch, UploadedTable
from project.catalog.models import Product
from tests.browser.test_journeys import real

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.browser
ROWS = 30
PILOT = 3


@pytest.fixture
def spreadsheet(tmp_path: Path, shop: Any) -> Path:
    """A table as a German spreadsheet program saves it: semicolons, and in Windows-1252."""
    lines = ["Artikelnummer;Bezeichnung;Farbe;Material;Preis"]
    lines += [
        f"{one.sku};{one.name} für außen;{one.colour};{one.material};12,50"
        for one in Product.objects.order_by("pk")[:ROWS]
    ]
    assert len(lines) == ROWS + 1
    path = tmp_path / "products.csv"
    path.write_bytes("\r\n".join(lines).encode("cp1252"))
    return path


def assert_made(page: Any) -> None:
    batch = Batch.objects.get()
    assert (batch.succeeded, batch.job_count) == (ROWS, ROWS)
    prompts = list(batch.jobs.values_list("prompt", flat=True))
    assert all("für außen" in prompt for prompt in prompts)
    assert {job.row_key for job in batch.jobs.all()} <= {
        str(key) for key in Product.objects.values_list("pk", flat=True)
    }
    assert real(page.complaints) == []


def test_a_table_becomes_images_by_mouse(page: Any, live_server: Any, spreadsheet: Path) -> None:
    page.goto(f"{live_server.url}/en/admin/imagegen/batch/")
    page.click(".object-tools a:has-text('New batch from a table')")
    page.set_input_files("[name=file]", spreadsheet)
    page.click("text=Upload and continue")
    page.locator("#imagegen-preview").wait_for()
    read_as = page.locator("#imagegen-table + p").inner_text()
    guessed = page.locator("[name=key_column]").input_value()
    mapped = page.locator("[name=map_product]").input_value()
    objects = page.locator("[name=objects]").input_value()
    page.click("summary:has-text('When to pause')")
    page.fill("[name=pilot_rows]", str(PILOT))
    page.click("button[name=preview]")
    page.locator("text=All 30 rows are checked").wait_for()
    rows = page.locator(".imagegen-table tbody tr").count()
    page.click("button[value='problems:0']")
    page.locator("text=No row from here on has a problem.").wait_for()
    page.locator("button[name=start]:has-text('Generate 30 images')").click()
    page.locator("text=The pilot is complete").wait_for()
    pilot = Batch.objects.get().job_count
    page.click("button[name=resume]")
    page.locator("text=Finished: 30 of 30").wait_for()

    assert "Windows-1252, separated by semicolon" in read_as
    assert (guessed, mapped) == ("Artikelnummer", "Bezeichnung")
    assert objects == "catalog.Product.image|sku"
    assert (rows, pilot) == (ROWS, PILOT)
    assert_made(page)


def test_a_table_becomes_images_by_keyboard_alone(
    page: Any, live_server: Any, spreadsheet: Path
) -> None:
    page.goto(f"{live_server.url}/en/admin/imagegen/job/batches/new/table/")
    _tab_to(page, "[name=file]")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(spreadsheet)
    _tab_to(page, ".imagegen-plan button.imagegen-primary")
    page.keyboard.press("Enter")
    page.locator("#imagegen-preview").wait_for()
    _tab_to(page, "summary:has-text('When to pause')")
    page.keyboard.press("Enter")
    _tab_to(page, "[name=pilot_rows]")
    page.keyboard.type(str(PILOT))
    # Enter in a field shows the preview, and starts nothing.
    page.keyboard.press("Enter")
    page.locator("text=All 30 rows are checked").wait_for()
    assert not Batch.objects.exists()
    _tab_to(page, "button[value='problems:0']")
    page.keyboard.press("Enter")
    page.locator("text=No row from here on has a problem.").wait_for()
    _tab_to(page, "button[name=start]")
    page.keyboard.press("Enter")
    page.locator("text=The pilot is complete").wait_for()
    _tab_to(page, "button[name=resume]")
    page.keyboard.press("Enter")
    page.locator("text=Finished: 30 of 30").wait_for()

    assert_made(page)


def test_a_file_is_dropped_on_its_field(page: Any, live_server: Any, spreadsheet: Path) -> None:
    page.goto(f"{live_server.url}/en/admin/imagegen/job/batches/new/table/")
    box = page.locator("[name=file]").bounding_box()
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    session = page.context.new_cdp_session(page)
    held = {"items": [], "files": [str(spreadsheet)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **place, "data": held})
    page.click("text=Upload and continue")

    page.locator("#imagegen-preview").wait_for()
    assert UploadedTable.objects.get().name == "products.csv"


def test_a_wrong_file_is_refused_where_it_is_chosen(page: Any, live_server: Any) -> None:
    page.goto(f"{live_server.url}/en/admin/imagegen/job/batches/new/table/")
    page.set_input_files(
        "[name=file]", {"name": "a.csv", "mimeType": "text/csv", "buffer": b"a;a\n1;2\n"}
    )
    page.click("text=Upload and continue")
    refusal = page.locator("[role=alert]").inner_text()

    assert "The columns A and B have the same name, “a” (row 1)." in refusal
    assert not UploadedTable.objects.exists()
    assert page.locator("[name=delimiter]").is_visible()


def test_the_counts_of_many_rows_come_by_themselves(
    page: Any, live_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imagegen_app.services.batches import row_checks  # noqa: PLC0415 - of this process

    monkeypatch.setattr(row_checks, "CHUNK_SIZE", 50)
    monkeypatch.setattr(row_checks, "SECONDS", 0)
    lines = "".join(f"A-{n};Cup {n};red;clay\n" for n in range(400))
    file = {
        "name": "many.csv",
        "mimeType": "text/csv",
        "buffer": f"SKU;Product;Colour;Material\n{lines}".encode(),
    }
    page.goto(f"{live_server.url}/en/admin/imagegen/job/batches/new/table/")
    page.set_input_files("[name=file]", file)
    page.click("text=Upload and continue")
    page.select_option("[name=template]", "product-still-life")
    page.click("button[name=preview]")

    page.locator("text=All 400 rows are checked").wait_for()
    assert page.locator("button[name=start]").inner_text().startswith("Generate 400 images")
    assert page.locator("button[name=more]").count() == 0
    assert real(page.complaints) == []


def _tab_to(page: Any, selector: str) -> None:
    """Press Tab until the focus is there."""
    wanted = page.locator(selector).first
    wanted.wait_for()
    for _ in range(120):
        page.keyboard.press("Tab")
        if wanted.evaluate("e => e === document.activeElement"):
            return
    raise AssertionError(f"the focus never came to {selector}")
