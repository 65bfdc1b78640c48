"""Three shots are written into a template, made of three products, reviewed, and stand in their own fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.models import Batch, Placement, PromptTemplate
from project.catalog.models import Product
from tests.browser.conftest import context_of, open_page
from tests.browser.site import barriers
from tests.browser.test_journeys import real

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.browser
PRODUCTS = 3
SHOTS = (("Front", "seen from the front"), ("Back", "seen from behind"), ("Detail", "a detail"))


@pytest.fixture
def boss(shop: Any, django_user_model: Any, live_server: Any, browser: Any) -> Iterator[Any]:
    """A page of the administrator, who may write templates and approve what others made."""
    user = django_user_model.objects.get(username="admin")
    context = context_of(user, live_server, browser)
    yield open_page(context)
    context.close()


def found_on(page: Any, of: str) -> list[str]:
    """Return what the console and axe-core complain of; the latter writes styles that a CSP forbids."""
    found = [*real(page.complaints), *barriers(page, of=of)]
    page.complaints.clear()
    return found


def write_shots(page: Any, address: str) -> None:
    page.goto(address)
    page.click("summary:has-text('Shots')")
    rows = page.locator("imagegen-rows[prefix=shots]")
    for number, (name, text) in enumerate(SHOTS):
        if number:
            rows.locator("[data-add]").click()
        row = rows.locator("[data-row]").nth(number)
        row.locator("[name$=-label]").fill(name)
        row.locator("textarea").fill(text)
    page.fill("#id_body", "A {{ colour }} {{ product }}, {{ shot }}, {{ setting }}")
    page.select_option("#id_seed_strategy", "per_row")
    page.locator("#imagegen-preview-shot").select_option("back")
    page.locator(".imagegen-preview mark[title=shot]:has-text('seen from behind')").first.wait_for()
    assert found_on(page, "imagegen-rows[prefix=shots]") == []
    page.click("[name=_save]")
    page.locator(".messagelist").wait_for()


def test_three_shots_of_three_products_stand_in_their_own_fields(
    page: Any, boss: Any, live_server: Any
) -> None:
    template = PromptTemplate.objects.get(slug="product-still-life")
    write_shots(boss, f"{live_server.url}/en/admin/imagegen/prompttemplate/{template.pk}/change/")
    page.goto(f"{live_server.url}/en/admin/catalog/product/?o=1")
    for number in range(PRODUCTS):
        page.locator("input.action-select").nth(number).check()
    page.select_option("select[name=action]", "generate_images")
    page.click("button[name=index]")
    page.locator("#imagegen-shots").wait_for()
    ticked = page.locator(".imagegen-shots input:checked").count()
    places = [one.input_value() for one in page.locator(".imagegen-shots select").all()]
    blocked = found_on(page, ".imagegen-shots")
    said = page.locator(".imagegen-checked").inner_text()
    page.locator("button[name=start]:has-text('Generate 9 images')").click()
    page.locator("text=Finished: 9 of 9").wait_for()
    page.click("a:has-text('Back (3)')")
    page.locator(".imagegen-run-table tbody tr").first.wait_for()
    narrowed = page.locator(".imagegen-run-table tbody tr").count()

    batch = Batch.objects.get()
    boss.goto(f"{live_server.url}/en/admin/imagegen/job/batches/{batch.pk}/review/")
    boss.locator("[data-asset][data-decision]").first.wait_for()
    blocked += found_on(boss, ".imagegen-review")
    chips = boss.locator(".imagegen-shot .imagegen-chip").all_inner_texts()
    boss.locator("[data-asset]").first.focus()
    for _number in range(9):
        boss.keyboard.press("a")
    boss.keyboard.press("Control+Enter")
    boss.locator(".messagelist").wait_for()

    assert (ticked, places) == (3, ["image", "image_back", ""])
    assert "3 rows \N{MULTIPLICATION SIGN} 3 shots = 9 images." in said
    assert narrowed == PRODUCTS
    assert chips == ["Front", "Back", "Detail"] * 3
    placed = {
        (one.object_id, one.field): one.asset.job.shot
        for one in Placement.objects.active().select_related("asset__job")
    }
    assert placed == {
        (key, field): shot
        for key in batch.rows
        for field, shot in (("image", "front"), ("image_back", "back"))
    }
    for product in Product.objects.filter(pk__in=batch.rows):
        assert product.image.name != product.image_back.name
    assert blocked == []
    assert real(page.complaints) == []
    assert real(boss.complaints) == []
