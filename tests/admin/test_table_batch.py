"""A batch from an uploaded table, without a line of JavaScript."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from imagegen_app.models import Asset, Batch, Job, PromptTemplate, UploadedTable
from imagegen_app.services.batches import row_checks, row_jobs
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import workbooks
from imagegen_app.services.worker import driver
from project.catalog.models import Product
from tests.admin.test_batch_pages import browser  # noqa: F401 - a fixture
from tests.admin.test_studio import edda, shop  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.usefixtures("shop")
UPLOAD = "admin:imagegen_table_new"
TABLE = "Artikelnummer;Bezeichnung;Farbe;Material;Foto\n"


def lines(number: int, **changes: str) -> str:
    return TABLE + "".join(
        f"A-{n};Cup {n};red;clay;https://img.example/{n}.jpg\n" for n in range(number)
    )


def upload(client: Client, text: str | bytes, **choices: str) -> Any:
    data = text.encode() if isinstance(text, str) else text
    file = SimpleUploadedFile("spring.csv", data, content_type="text/csv")
    return client.post(reverse(UPLOAD), {"file": file, **choices})


def fields(page: str) -> dict[str, str]:
    """Return what the page's form sends as it is."""
    found = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    found |= dict(re.findall(r'<input type="text" name="(\w+)" value="([^"]*)"', page))
    for name, options in re.findall(r'(?s)<select name="(\w+)".*?>(.*?)</select>', page):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    found.pop("csrfmiddlewaretoken", None)
    return {name: html.unescape(value) for name, value in found.items()}


def planned(client: Client, text: str, **changes: str) -> tuple[str, str, dict[str, str]]:
    """Upload a table and have it previewed; return the address, the page and its fields."""
    address = str(upload(client, text)["Location"])
    sent = fields(client.get(address).content.decode())
    sent |= {"template": "product-still-life", "shown_template": ""}
    chosen = fields(client.post(address, sent).content.decode())
    page = client.post(address, {**chosen, **changes, "preview": ""}).content.decode()
    return address, html.unescape(page), {**chosen, **fields(page), **changes}


def test_thirty_rows_of_a_table_become_images(browser: Client) -> None:  # noqa: F811 - the fixture
    address, page, sent = planned(browser, lines(30), pilot_rows="2")

    assert "Read as UTF-8, separated by semicolon." in page
    assert "These columns hold addresses of images and are not used: Foto." in page
    assert (sent["key_column"], sent["map_product"]) == ("Artikelnummer", "Bezeichnung")
    assert (sent["map_colour"], sent["map_material"]) == ("Farbe", "Material")
    assert "A calm product photograph of a red Cup 29 made of clay" in page
    assert "All 30 rows are checked: 30 are ready," in " ".join(page.split())
    assert "Generate 30 images" in page

    went = browser.post(address, {**sent, "start": ""})
    batch = Batch.objects.get()
    assert went["Location"] == reverse("admin:imagegen_batch_run", args=[batch.pk])
    driver.drive(seconds=30)
    run = browser.get(went["Location"]).content.decode()
    assert (batch.jobs.count(), "A-0" in run, "A-1" in run) == (2, True, True)
    browser.post(went["Location"], {"resume": ""})
    row_jobs.create_next_jobs()
    assert Job.objects.count() == 30
    grid = reverse("admin:imagegen_batch_review", args=[batch.pk])
    assert "A-1" in browser.get(grid).content.decode()
    # Start was pressed a second time, in another tab.
    assert browser.post(address, {**sent, "start": ""})["Location"] == went["Location"]
    assert Batch.objects.count() == 1


def test_the_same_file_again_is_told_with_its_batches(browser: Client) -> None:  # noqa: F811
    address, _page, sent = planned(browser, lines(2))
    browser.post(address, {**sent, "start": ""})

    again = browser.post(
        reverse(UPLOAD), {"file": SimpleUploadedFile("copy.csv", lines(2).encode())}, follow=True
    )

    page = again.content.decode()
    assert again.redirect_chain == [(address, 302)]
    assert "You have uploaded this table before" in page
    assert "Batches were made of this table before:" in page
    assert reverse("admin:imagegen_batch_run", args=[Batch.objects.get().pk]) in page
    assert "2 jobs for these rows have not ended" not in page
    row_jobs.create_next_jobs()
    assert "2 jobs for these rows have not ended" in browser.get(address).content.decode()
    assert UploadedTable.objects.count() == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The file is empty"),
        ("a;a\n1;2\n", "The columns A and B have the same name"),
        ("a\n" + "1\n" * 10_001, "more than 10000 rows"),
        (b"\x89PNG\0\0\0", "This is not a table"),
        ("a;b\n1;" + "x" * 1_000_000, "Row 2, column B: a cell has more than 32767 characters."),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_a_sentence(
    browser: Client,  # noqa: F811 - the fixture
    text: str | bytes,
    sentence: str,
) -> None:
    answer = upload(browser, text)
    assert answer.status_code == 200
    assert sentence in html.unescape(answer.content.decode())
    assert not UploadedTable.objects.exists()


def test_no_file_is_asked_for(browser: Client) -> None:  # noqa: F811 - the fixture
    assert "Choose a file first." in browser.post(reverse(UPLOAD), {}).content.decode()
    assert "You have uploaded no table yet." in browser.get(reverse(UPLOAD)).content.decode()


def test_without_the_package_the_page_says_what_to_install(
    browser: Client,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workbooks, "is_available", lambda: False)
    assert "install imagegen-app[xlsx]" in browser.get(reverse(UPLOAD)).content.decode()


def test_the_separator_can_be_chosen(browser: Client) -> None:  # noqa: F811 - the fixture
    upload(browser, "a\tb,c\n1\t2,3\n", delimiter="tab")
    assert UploadedTable.objects.get().columns == ["a", "b,c"]


def test_problems_are_told_by_row_and_can_be_listed_alone(
    browser: Client,  # noqa: F811 - the fixture
) -> None:
    text = lines(60) + "A-1;Jug;red;clay;\n;Pot;red;clay;\nB-1;{{ x }};red;=1+1;\n"
    address, page, sent = planned(browser, text)

    assert "Rows 1 to 50 of 63" in page
    assert "61 are ready, 2 have problems and are skipped, 0 exist" in " ".join(page.split())
    problems = browser.post(address, {**sent, "view": "problems:0"}).content.decode()
    assert problems.count("imagegen-invalid") == 2
    assert "Row 62 has the same key as row 3." in problems
    assert "Row 63 has no key in the column “Artikelnummer”." in problems
    rest = html.unescape(browser.post(address, {**sent, "view": "all:50"}).content.decode())
    assert "Rows 51 to 63 of 63" in rest
    # Markup and formulas in cells are values.
    assert "photograph of a red {{ x }} made of =1+1" in rest


def test_a_variable_without_a_value_is_pointed_out(browser: Client) -> None:  # noqa: F811
    _address, page, _sent = planned(browser, "Nr;Sonstiges\n1;Cup\n")
    assert "“Product” has no value yet" in page
    assert "No image can be generated for any of the rows." in page


def test_rows_are_about_objects_that_they_are_matched_with(
    browser: Client,  # noqa: F811 - the fixture
) -> None:
    first, second = Product.objects.order_by("pk")[:2]
    text = f"{TABLE}{first.sku};Jug;red;clay;\n{second.sku};Pot;blue;clay;\nnone;Can;red;clay;\n"
    address, page, sent = planned(browser, text)

    assert sent["objects"] == "catalog.Product.image|sku"
    assert f"{first}, {first.sku} (row 2)" in page
    assert "none (row 4): no product has the value “none”." in page
    browser.post(address, {**sent, "start": ""})
    driver.drive(seconds=30)
    keys = set(Asset.objects.values_list("job__row_key", flat=True))
    assert keys == {str(first.pk), str(second.pk)}


def test_another_template_keeps_what_was_chosen_of_the_rows(
    browser: Client,  # noqa: F811 - the fixture
) -> None:
    address, _page, sent = planned(browser, lines(3))
    chosen = {**sent, "key_column": "Bezeichnung", "pilot_rows": "2", "template": "page-hero"}

    page = browser.post(address, {**chosen, "preview": ""}).content.decode()

    assert fields(page)["template"] == "page-hero"
    assert fields(page)["key_column"] == "Bezeichnung"
    assert re.search(r'name="pilot_rows" value="2"', page)


def test_nothing_is_started_that_was_not_shown(browser: Client) -> None:  # noqa: F811
    address, _page, sent = planned(browser, lines(60))
    changed = browser.post(address, {**sent, "map_product": "Artikelnummer", "start": ""})
    assert "not those that were shown" in changed.content.decode()
    assert not Batch.objects.exists()


def test_a_template_that_is_withdrawn_meanwhile_is_told(browser: Client) -> None:  # noqa: F811
    address, _page, sent = planned(browser, lines(2))
    archive = PromptTemplate.objects.filter(slug="product-still-life").update
    use_case(audited=False)(archive)(is_archived=True)

    page = browser.post(address, {**sent, "start": ""})

    assert "“product-still-life” is not published" in html.unescape(page.content.decode())
    assert not Batch.objects.exists()


def test_the_check_of_many_rows_goes_on_with_the_next_request(
    browser: Client,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(row_checks, "CHUNK_SIZE", 20)
    monkeypatch.setattr(row_checks, "SECONDS", 0)
    address, page, sent = planned(browser, lines(60))
    flat = " ".join(page.split())
    assert "40 of 60 rows are checked: 40 are ready," in flat
    assert "Check more rows" in page
    part = browser.post(address, {**sent, "part": "1"}).content.decode()
    assert "All 60 rows are checked:" in part
    assert "data-done" in part
    assert "<html" not in part
    more = browser.post(address, {**sent, "more": ""}).content.decode()
    assert "All 60 rows are checked:" in more


def test_a_table_is_deleted_by_its_owner_only(
    browser: Client,  # noqa: F811 - the fixture
    admin_client: Client,
) -> None:
    address = str(upload(browser, lines(2))["Location"])
    delete = reverse("admin:imagegen_table_delete", args=[UploadedTable.objects.get().pk])

    assert "Delete this table" not in admin_client.get(address).content.decode()
    admin_client.post(delete)
    assert UploadedTable.objects.count() == 1
    assert browser.post(delete, follow=True).redirect_chain == [(reverse(UPLOAD), 302)]
    assert browser.get(address).status_code == 404
    assert not UploadedTable.objects.exists()


def test_an_erased_table_is_offered_no_more(browser: Client) -> None:  # noqa: F811 - the fixture
    address = str(upload(browser, lines(2))["Location"])
    use_case(audited=False)(UploadedTable.objects.update)(columns=[], name="")

    answer = browser.get(address, follow=True)

    assert answer.redirect_chain == [(reverse(UPLOAD), 302)]
    page = answer.content.decode()
    assert "The contents of this table were erased. Upload its file again." in page
    assert address not in page


def test_tables_of_others_are_not_there(
    browser: Client,  # noqa: F811 - the fixture
    client: Client,
    django_user_model: Any,
) -> None:
    address = str(upload(browser, lines(2))["Location"])
    reviewer = django_user_model.objects.get(username="reviewer")
    reviewer.user_permissions.clear()
    reviewer.groups.set(django_user_model.objects.get(username="editor").groups.all())
    client.logout()
    client.force_login(reviewer)
    assert client.get(address).status_code == 404


def test_a_preview_takes_the_same_queries_for_any_number_of_rows(
    browser: Client,  # noqa: F811 - the fixture
) -> None:
    counts = []
    for number in (5, 45):
        address, _page, sent = planned(browser, lines(number))
        with CaptureQueriesContext(connection) as queries:
            browser.post(address, sent)
        counts.append(len(queries))
    assert counts[0] == counts[1]
