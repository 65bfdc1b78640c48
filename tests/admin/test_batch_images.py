"""The pages of a batch whose rows have input images: chosen, shown before anything is fetched, compared."""

from __future__ import annotations

import hashlib
import html
import re
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile
from django.urls import reverse

from imagegen_app.models import Batch, ImageModel, JobInput
from imagegen_app.services.batches import row_export, row_jobs
from imagegen_app.services.policy import access
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_asset, make_image, make_template, make_user
from project.catalog.models import Product
from tests.admin.test_batch_pages import browser, choose
from tests.admin.test_studio import edda, shop
from tests.admin.test_table_batch import fields, upload

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.models import Asset

__all__ = ["browser", "edda", "shop"]
pytestmark = pytest.mark.usefixtures("shop")
REMOTE = "https://img.example.com/2.jpg?key=secret"


@pytest.fixture
def scene(shop: Any) -> str:
    """The slug of a template that edits an image."""
    version = make_template(
        slug="scene",
        body="Put the {{ product }} on a table",
        variables=[{"name": "product", "label": "Product"}],
        operation="edit",
        image_model=ImageModel.objects.get(slug="sandbox-1"),
    )
    return str(version.template.slug)


@pytest.fixture
def own(browser: Client, django_user_model: Any) -> Asset:
    return make_asset(requester=django_user_model.objects.get(username="editor"))


def planned(
    client: Client, text: str, scene: str, **changes: str
) -> tuple[str, str, dict[str, str]]:
    address = str(upload(client, text)["Location"])
    sent = fields(client.get(address).content.decode())
    sent |= {"template": scene, "shown_template": ""}
    chosen = fields(client.post(address, sent).content.decode())
    page = client.post(address, {**chosen, **changes, "preview": ""}).content.decode()
    return address, html.unescape(page), {**chosen, **fields(page), **changes}


def test_an_image_column_is_guessed_and_its_cells_are_shown_without_a_call(
    browser: Client, scene: str, own: Asset
) -> None:
    table = f"SKU;Name;Bild\nA-1;Cup;{own.pk}\nA-2;Jug;{REMOTE}\nA-3;Pot;http://10.0.0.1/a.png\n"
    _address, page, sent = planned(browser, table, scene, image_image="Bild")
    rows = re.findall(r'(?s)<td role="cell" class="imagegen-input-cell">(.*?)</td>', page)

    assert 'name="image_image"' in page
    assert "/imagegen/" in rows[0]
    assert "<img" in rows[0]
    assert "https://img.example.com/2.jpg" in rows[1]
    assert "<img" not in rows[1]
    assert "secret" not in page
    assert "The address of the image must begin with https://." in page
    assert sent["image_image"] == "Bild"


def test_an_image_that_the_person_may_not_use_is_not_shown(browser: Client, scene: str) -> None:
    secret = make_asset(title="Secret", review_state="pending", requester=make_user("otto"))
    address, page, _sent = planned(
        browser, f"SKU;Name;Bild\nA-1;Cup;{secret.pk}\n", scene, image_image="Bild"
    )
    (cell,) = re.findall(r'(?s)<td role="cell" class="imagegen-input-cell">(.*?)</td>', page)

    assert "<img" not in cell
    assert "Secret" not in page
    assert "or it is not yours" in page
    assert address


def test_a_column_of_addresses_is_chosen_by_itself(browser: Client, scene: str) -> None:
    _address, page, sent = planned(browser, f"SKU;Name;Foto\nA-1;Cup;{REMOTE}\n", scene)

    assert sent["image_image"] == "Foto"
    assert "are not used" not in page


def test_without_a_place_for_the_images_one_sentence_stands_before_anything(
    browser: Client, scene: str
) -> None:
    address, page, sent = planned(browser, "SKU;Name\nA-1;Cup\n", scene)

    assert page.count("“Edit” needs an input image for each row: choose where it is.") == 1
    assert "imagegen-preview" not in page
    assert browser.post(address, {**sent, "start": ""}).status_code == 200
    assert not Batch.objects.exists()


def test_a_template_that_takes_no_image_says_why_the_column_is_not_used(browser: Client) -> None:
    _address, page, _sent = planned(
        browser, f"SKU;Name;Foto\nA-1;Cup;{REMOTE}\n", "product-still-life"
    )

    assert "These columns hold addresses of images and are not used: Foto." in page


def test_photos_of_selected_objects_become_inputs_and_stand_beside_their_results(
    browser: Client, scene: str
) -> None:
    for product in Product.objects.order_by("pk")[:2]:
        product.image.save("photo.png", ContentFile(make_image()))
    address, _plan = choose(browser, 3)
    plan = {"template": scene, "shown_template": scene, "map_product": "name"}
    first = browser.post(address, {**plan, "shown_template": ""}).content.decode()
    guessed = fields(first)["image_image"]
    page = browser.post(address, {**plan, "image_image": guessed, "preview": ""}).content.decode()
    hidden = dict(re.findall(r'type="hidden" name="(key|shown_plan)" value="([^"]+)"', page))
    started = browser.post(address, {**plan, "image_image": guessed, **hidden, "start": ""})

    assert guessed == "image"
    assert page.count("imagegen-input-cell") == 3
    assert started.status_code == 302
    row_jobs.create_next_jobs()
    driver.drive(seconds=30)
    batch = Batch.objects.get()
    assert batch.succeeded == 2
    grid = reverse("admin:imagegen_batch_review", args=[batch.pk])
    shown = browser.get(grid).content.decode()
    addresses = re.findall(r'<img src="([^"]+)" alt="Input image"', shown)
    assert len(addresses) == 2
    sent = set()
    for address in addresses:
        answer: Any = browser.get(html.unescape(address))
        sent.add(hashlib.sha256(answer.getvalue()).hexdigest())
    assert sent == set(JobInput.objects.values_list("sha256", flat=True))


def test_the_export_names_the_input_of_each_row(browser: Client, scene: str, own: Asset) -> None:
    address, _page, sent = planned(
        browser, f"SKU;Name;Bild\nA-1;Cup;{own.pk}\n", scene, image_image="Bild"
    )
    browser.post(address, {**sent, "start": ""})
    row_jobs.create_next_jobs()
    batch = Batch.objects.get()
    lines = list(
        row_export.export_lines(
            actor=access.actor_for(batch.requester), batch=batch, link=lambda asset: ""
        )
    )
    assert dict(zip(lines[0], lines[1], strict=True))["input"] == str(own.pk)
