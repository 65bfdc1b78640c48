"""A table with a column of images: mapped, its problem rows told, made, and compared with the results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.models import Batch, ImageModel, JobInput
from imagegen_app.testing.factories import make_image, make_template
from tests.browser.test_journeys import real
from tests.image_server import ImageServer, image_server

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.browser


@pytest.fixture
def server(shop: Any) -> Iterator[ImageServer]:
    with image_server() as running:
        running.files = {"/red.jpg": make_image(format="jpeg"), "/blue.png": make_image()}
        shop.IMAGEGEN = {**shop.IMAGEGEN, "INPUT_ORIGINS": [running.url]}
        make_template(
            slug="scene",
            body="Put the {{ product }} on a table",
            variables=[{"name": "product", "label": "Product"}],
            operation="edit",
            image_model=ImageModel.objects.get(slug="sandbox-1"),
        )
        yield running


def test_photos_of_a_table_become_scenes_beside_which_they_are_reviewed(
    page: Any, live_server: Any, server: ImageServer
) -> None:
    rows = [
        f"A-1;Red cup;{server.url}/red.jpg",
        f"A-2;Blue jug;{server.url}/blue.png?sig=1",
        "A-3;Pot;http://169.254.169.254/latest/meta-data",
        "A-4;Bowl;",
    ]
    table = "\n".join(["SKU;Name;Photo", *rows]).encode()
    page.goto(f"{live_server.url}/en/admin/imagegen/job/batches/new/table/")
    page.set_input_files(
        "[name=file]", {"name": "spring.csv", "mimeType": "text/csv", "buffer": table}
    )
    page.click("text=Upload and continue")
    page.select_option("[name=template]", "scene")
    page.click("button[name=preview]")
    page.locator("#imagegen-preview").wait_for()
    guessed = page.locator("[name=image_image]").input_value()
    page.select_option("[name=image_image]", "")
    page.click("button[name=preview]")
    missing = page.locator("#imagegen-inputs + [role=alert]").inner_text()
    page.select_option("[name=image_image]", "Photo")
    page.click("button[name=preview]")
    page.click("button[value='problems:0']")
    page.locator(".imagegen-invalid").nth(1).wait_for()
    problems = page.locator(".imagegen-invalid .imagegen-error").all_inner_texts()
    assert server.asked == []
    page.locator("button[name=start]:has-text('Generate 2 images')").click()
    page.locator("text=Finished:").wait_for()
    page.goto(page.url.replace("/run/", "/review/"))
    before = page.locator(".imagegen-before img")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.imagegen-before img')].every(i => i.naturalWidth)"
    )

    assert guessed == "Photo"
    assert missing == "“Edit” needs an input image for each row: choose where it is."
    assert problems == [
        "The address of the image must begin with https://.",
        "The column “Photo” names no image.",
    ]
    assert before.count() == 2
    assert sorted(JobInput.objects.values_list("found_at", flat=True)) == [
        f"{server.url}/blue.png",
        f"{server.url}/red.jpg",
    ]
    assert Batch.objects.get().succeeded == 2
    assert real(page.complaints) == []
