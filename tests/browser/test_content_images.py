"""Images that are there already, beside a field and in the plugin of the CMS, in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cms.api import add_plugin, create_page
from cms.models import PageContent
from cms.utils.urlutils import admin_reverse
from django.core.files.base import ContentFile
from django.urls import reverse

from imagegen_app.models import Job
from imagegen_app.services.library import placement
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_image
from project.catalog.models import Product
from tests.browser.site import barriers, choose_newest, wait_until

if TYPE_CHECKING:
    from imagegen_app.models import Asset

pytestmark = pytest.mark.browser
SIZE = (640, 480)


@pytest.fixture
def two(own_job: Job) -> list[Asset]:
    """Two approved images of the editor's, of which the second is the newer one."""
    return [make_asset(job=own_job, size=SIZE, widths=(320,)) for _number in range(2)]


def test_an_uploaded_image_is_varied_and_the_result_comes_back_to_its_field(
    page: Any, live_server: Any, shop: Any
) -> None:
    product = Product.objects.earliest("pk")
    product.image.save("mug.png", ContentFile(make_image(size=SIZE)))
    change = reverse("admin:catalog_product_change", args=[product.pk])
    page.goto(f"{live_server.url}{change}")

    page.click(".imagegen-quick summary")
    page.click(".imagegen-quick a:has-text('Vary')")
    studio = page.frame_locator("dialog iframe")
    studio.locator("[name=prompt]").fill("The same mug on a shelf")
    studio.locator(".imagegen-generate", has_text="USD").click()
    # The stage is not replaced any more once all is done.
    studio.locator("[data-ready-image]").first.wait_for()
    studio.locator("imagegen-live [data-done]").wait_for(state="attached")
    studio.locator("a.imagegen-button:has-text('Use this image')").first.click()
    studio.locator("#imagegen-alt").fill("A mug on a shelf")
    studio.locator("button:has-text('Use this image')").click()
    page.locator("[data-picked] img").wait_for(state="visible")
    made = Job.objects.latest("created_at")

    assert made.operation == "vary"
    origin = {"field": "catalog.Product.image", "object": str(product.pk)}
    assert made.inputs.get().content_origin == origin
    assert page.input_value("[name=image-generated]") != ""
    assert page.complaints == []


def test_what_can_be_done_follows_the_image_that_was_chosen(
    page: Any, live_server: Any, two: list[Asset], django_user_model: Any
) -> None:
    owner = access.actor_for(django_user_model.objects.get(username="admin"))
    product = Product.objects.earliest("pk")
    placement.attach(actor=owner, asset=two[0], target=product, field="image")
    page.goto(f"{live_server.url}{reverse('admin:catalog_product_change', args=[product.pk])}")
    before = page.get_attribute(".imagegen-quick a", "href")

    choose_newest(page)
    page.locator("[data-picked] img").wait_for(state="visible")

    assert f"from={two[0].pk}" in before
    assert f"from={two[1].pk}" in page.get_attribute(".imagegen-quick a", "href")
    assert page.complaints == []


def test_the_plugin_of_the_cms_has_the_same_chooser_and_the_same_actions(
    page: Any, live_server: Any, two: list[Asset], django_user_model: Any
) -> None:
    user = django_user_model.objects.get(username="admin")
    made = create_page("Kiln", "pages/home.html", "en", created_by=user)
    content = PageContent.admin_manager.get(page=made, language="en")
    missing: list[str] = []
    page.on("response", lambda r: missing.append(r.url) if r.status == 404 else None)
    slot = content.rescan_placeholders()["hero"]
    plugin = add_plugin(slot, "GeneratedImagePlugin", "en", asset=two[0])
    address = admin_reverse("cms_placeholder_edit_plugin", args=[plugin.pk])
    page.goto(f"{live_server.url}{address}?cms_path=/en/")
    page.click(".imagegen-quick summary")
    faults = barriers(page, of="[data-imagegen-field]")

    choose_newest(page)
    wait_until(page, f"document.querySelector('[name=asset]').value === '{two[1].pk}'")
    chosen = page.input_value("[name=asset]")
    quick = page.get_attribute(".imagegen-quick a:has-text('Upscale')", "href")
    page.select_option("[name=asset]", "")

    assert faults == []
    assert chosen == str(two[1].pk)
    assert f"from={two[1].pk}" in quick
    # Without an image there is nothing to change; the history stays.
    assert page.locator(".imagegen-quick a:visible").all_inner_texts() == [
        "AI history of this object"
    ]
    assert not page.locator("[data-picked]").is_visible()
    # The form of the CMS asks for a stylesheet of Django's at a wrong address.
    assert [one.rpartition("/")[2] for one in missing] == ["widgets.css"] * len(page.complaints)
