"""Texts for the rows of a batch: asked for, watched, read, changed, and used, without JavaScript."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.models import Batch, Job, UploadedTable, UploadedTableRow
from imagegen_app.services.batches import row_jobs, row_texts
from imagegen_app.services.worker import driver
from imagegen_app.writing.base import TextModelFailed
from project.catalog.models import Product
from tests.admin.test_batch_pages import browser, choose  # noqa: F401 - the first is a fixture
from tests.admin.test_studio import edda, shop  # noqa: F401 - fixtures
from tests.admin.test_table_batch import fields, upload
from tests.services.batches.test_row_texts import HERE, RowWriter

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.usefixtures("shop")
ASKED = {
    "column": "product",
    "sources": ["name"],
    "instruction": "One sentence of place",
    "language": "en",
}


@pytest.fixture
def writer(browser: Client, settings: Any) -> type[RowWriter]:  # noqa: F811 - the fixture
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "TEXT_MODEL": {"BACKEND": f"{HERE}.RowWriter", "NAME": "rows", "PRICE": "0.002"},
    }
    RowWriter.answers, RowWriter.asked, RowWriter.told = {}, [], []
    return RowWriter


def link_to_texts(page: str) -> str:
    found = re.search(r'href="([^"]+)">Have texts written for the rows', page)
    return "" if found is None else html.unescape(found[1])


def asked_for_objects(client: Client, number: int = 3) -> str:
    """Have texts written for objects; return the address of the page that shows them."""
    address, _plan = choose(client, number)
    ask = link_to_texts(client.get(address).content.decode())
    page = client.get(ask).content.decode()
    # Of what the template lacks, only a choice is left, for which no text can be written.
    assert 'name="column" value=' not in page
    assert f"Have {number} texts written" in page
    assert "at most" in page
    return str(client.post(ask, ASKED)["Location"])


def test_a_typed_text_is_kept_by_going_on_to_the_batch(
    browser: Client,  # noqa: F811 - the fixture
    writer: type[RowWriter],
) -> None:
    address = asked_for_objects(browser)
    driver.drive(seconds=20)
    page = browser.get(address).content.decode()
    answer = browser.post(address, {"use": "1", "was_0": "", "text_0": "My own text"})

    table = UploadedTable.objects.get()
    first = UploadedTableRow.objects.filter(table=table).order_by("position").first()
    assert 'form="imagegen-texts-form" name="use"' in page
    assert answer["Location"] == reverse("admin:imagegen_table_batch", args=[table.pk])
    assert first is not None
    assert "My own text" in first.values


def test_no_text_is_written_for_a_variable_that_takes_only_its_choices(
    browser: Client,  # noqa: F811 - the fixture
    writer: type[RowWriter],
) -> None:
    address, _plan = choose(browser, 3)
    ask = link_to_texts(browser.get(address).content.decode())
    page = browser.post(ask, {**ASKED, "column": "setting"}).content.decode()

    assert "“Setting” does not take free text. Choose another name." in page
    assert 'aria-current="page">Batches' in page
    assert not UploadedTable.objects.exists()
    assert writer.asked == []


def test_texts_are_written_changed_and_become_images(
    browser: Client,  # noqa: F811 - the fixture
    writer: type[RowWriter],
) -> None:
    address = asked_for_objects(browser)
    driver.drive(seconds=20)
    names = list(Product.objects.order_by("pk").values_list("name", flat=True)[:3])
    page = html.unescape(browser.get(address).content.decode())
    assert all(f"{name} at dawn." in page for name in names)
    assert "3 of 3 rows have a text." in " ".join(page.split())

    changed = {"was_1": f"{names[1]} at dawn.", "text_1": "on a beach", "was_0": "x", "text_0": "x"}
    told = browser.post(address, {**changed, "save": "1"}, follow=True).content.decode()
    assert "1 text was kept." in told
    table = UploadedTable.objects.get()
    plan = reverse("admin:imagegen_table_batch", args=[table.pk])
    assert 'name="use"' in told

    # No longer than the template's variable takes.
    assert {most for _instruction, _language, most in writer.told} == {200}
    page = browser.get(plan).content.decode()
    sent = fields(page)
    assert sent["map_product"] == "product"
    assert sent["key_column"] == table.columns[0]
    assert sent["objects"] == table.reading["objects"]
    assert "were written by a text model" in page
    sent |= {"template": "product-still-life", "shown_template": "product-still-life"}
    preview = browser.post(plan, {**sent, "preview": ""}).content.decode()
    assert "on a beach" in preview
    went = browser.post(plan, {**sent, **fields(preview), "start": ""})
    assert went.status_code == 302
    row_jobs.create_next_jobs()
    assert set(Job.objects.values_list("row_key", flat=True)) == {
        str(key) for key in Product.objects.order_by("pk").values_list("pk", flat=True)[:3]
    }
    assert Job.objects.filter(prompt__contains="on a beach").count() == 1
    assert Batch.objects.get().mapping["target"] == "catalog.Product.image"


def test_the_same_press_twice_is_one_table(
    browser: Client,  # noqa: F811 - the fixture
    writer: type[RowWriter],
) -> None:
    first, second = asked_for_objects(browser), asked_for_objects(browser)

    assert first == second
    assert UploadedTable.objects.count() == 1
    assert "asked for before" in browser.get(first).content.decode()


def test_the_progress_is_polled_and_unchanged_is_304(
    browser: Client,  # noqa: F811 - the fixture
    writer: type[RowWriter],
) -> None:
    asked_for_objects(browser)
    url = reverse("admin:imagegen_row_texts_status", args=[UploadedTable.objects.get().pk])
    answer = browser.get(url)
    assert "Texts are being written." in answer.content.decode()
    assert "data-done" not in answer.content.decode()
    assert browser.get(url, headers={"If-None-Match": answer["ETag"]}).status_code == 304
    driver.drive(seconds=20)
    changed = browser.get(url, headers={"If-None-Match": answer["ETag"]})
    assert changed.status_code == 200
    assert "data-done" in changed.content.decode()


def test_rows_without_a_text_are_named_and_asked_for_again(
    browser: Client,  # noqa: F811 - the fixture
    writer: type[RowWriter],
) -> None:
    name = Product.objects.order_by("pk").values_list("name", flat=True)[1]
    writer.answers = {name: TextModelFailed("no")}
    address = asked_for_objects(browser)
    driver.drive(seconds=20)

    page = browser.get(f"{address}?view=problems").content.decode()
    assert "1 row got none." in " ".join(page.split())
    assert "The text model gave no answer that can be used." in page
    assert page.count("imagegen-invalid") == 1
    writer.answers = {}
    browser.post(address, {"all_again": "1"})
    driver.drive(seconds=20)
    assert "3 of 3 rows have a text." in " ".join(browser.get(address).content.decode().split())
    browser.post(address, {"again": "0"})
    assert row_texts.has_waiting()
    browser.post(address, {"pause": "1"})
    assert "Paused." in browser.get(address).content.decode()
    browser.post(address, {"resume": "1"})
    browser.post(address, {"cancel": "1"})
    assert not row_texts.has_waiting()


def test_a_text_that_came_while_the_page_was_open_is_not_emptied(
    browser: Client,  # noqa: F811 - the fixture
    writer: type[RowWriter],
) -> None:
    address = asked_for_objects(browser)
    driver.drive(seconds=20)
    browser.post(address, {"was_0": "", "text_0": "", "save": "1"})

    row = UploadedTableRow.objects.get(position=0)
    assert row.values[-1]


def test_a_table_gets_a_further_column(
    browser: Client,  # noqa: F811 - the fixture
    writer: type[RowWriter],
) -> None:
    address = str(upload(browser, "sku;name\nA-1;Cup\nA-2;Pot\n")["Location"])
    chosen = browser.post(address, {"template": "product-still-life", "shown_template": ""})
    ask = link_to_texts(chosen.content.decode())
    assert "template=product-still-life" in ask
    assert 'name="column" value="product"' in browser.get(ask).content.decode()
    refused = browser.post(ask, {**ASKED, "column": "name"}).content.decode()
    assert "There is a column “name” already." in html.unescape(refused)

    texts = browser.post(ask, ASKED)["Location"]
    driver.drive(seconds=20)

    assert "Cup at dawn." in browser.get(texts).content.decode()
    assert UploadedTable.objects.count() == 2


def test_without_such_a_text_model_nothing_is_offered(
    browser: Client,  # noqa: F811 - the fixture
    settings: Any,
) -> None:
    address, _plan = choose(browser)
    page = browser.get(address).content.decode()

    assert link_to_texts(page) == ""
    ask = reverse("admin:imagegen_object_texts")
    assert browser.get(f"{ask}?target=catalog.Product.image").status_code == 404
    assert browser.get(ask).status_code == 400
