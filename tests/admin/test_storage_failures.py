"""Pages of the admin tell people of a storage that fails; none of them is an error of the site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from imagegen_app.forms.widgets import GeneratedImageWidget, RejectedUpload, token_name
from imagegen_app.models import Placement
from imagegen_app.services.library import chooser
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_image
from project.catalog.models import Product
from tests import arranged_rows

if TYPE_CHECKING:
    from django.test import Client

    from tests.failing_storage import FailingStorage

WHY = "The storage of the images does not work at present."
pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(failing_storage: type[FailingStorage], immediate: Any) -> Any:
    """Return the demo's catalogue, whose storages can be told to fail."""
    arranged_rows.demo_shop()
    return failing_storage


def test_pages_say_why_and_what_to_do_while_the_storage_fails(
    admin_client: Client, admin_user: Any, shop: type[FailingStorage]
) -> None:
    asset, product = make_asset(requester=admin_user), Product.objects.earliest("pk")
    actor = access.actor_for(admin_user)
    token = chooser.make_token(actor=actor, asset=asset)
    shop.failing = {"*"}

    def page(url: str, **data: str) -> str:
        answer: Any = admin_client.post(url, data, follow=True) if data else admin_client.get(url)
        assert answer.status_code in {200, 422}, (url, answer.status_code)
        return str(answer.content.decode())

    shown = page(reverse("admin:imagegen_asset_change", args=[asset.pk]))
    listed = page(reverse("admin:imagegen_asset_changelist"))
    pack = page(reverse("admin:imagegen_asset_evidence", args=[asset.pk]), go="1")
    studio = page(f"{reverse('admin:imagegen_studio')}?from={asset.pk}")
    placed = page(
        reverse("admin:imagegen_asset_attach", args=[asset.pk]),
        target="catalog.Product.image",
        object=str(product.pk),
        place="1",
    )

    assert "The file cannot be read at present." in shown
    assert "imagegen-thumb" in listed
    assert "The evidence was not exported." in pack
    assert WHY in pack
    assert WHY in studio
    assert "The image was not placed." in placed
    assert WHY in placed
    widget = GeneratedImageWidget(actor=actor, target="catalog.Product.image")
    picked: Any = widget.value_from_datadict({token_name("image"): token}, {}, "image")
    assert isinstance(picked, RejectedUpload)
    assert WHY in picked.reason


@pytest.mark.parametrize("generated", [True, False])
def test_a_form_is_shown_again_if_the_sites_storage_does_not_take_its_file(
    admin_client: Client,
    admin_user: Any,
    shop: type[FailingStorage],
    caplog: pytest.LogCaptureFixture,
    generated: bool,
) -> None:
    asset, product = make_asset(requester=admin_user), Product.objects.earliest("pk")
    before, name = product.image.name, product.name
    page = reverse("admin:catalog_product_change", args=[product.pk])
    form: Any = admin_client.get(page).context["adminform"].form
    data = {key: form[key].value() or "" for key in form.fields if key != "image"}
    data |= {"name": "Another name", "_save": "1"}
    if generated:
        actor = access.actor_for(admin_user)
        data[token_name("image")] = chooser.make_token(actor=actor, asset=asset)
    else:
        data["image"] = SimpleUploadedFile("a.png", make_image(size=(64, 64)))
    shop.failing = {"save"}

    refused: Any = admin_client.post(page, data)
    product.refresh_from_db()
    kept = (product.image.name, product.name, Placement.objects.count())
    shop.failing = set()
    if not generated:
        data["image"] = SimpleUploadedFile("a.png", make_image(size=(64, 64)))
    saved = admin_client.post(page, data)
    product.refresh_from_db()

    assert (refused.status_code, saved.status_code) == (200, 302)
    assert "the storage of the website does not work" in refused.content.decode()
    assert "Another name" in refused.content.decode()
    assert kept == (before, name, 0)
    assert (product.image.name != before, product.name) == (True, "Another name")
    assert Placement.objects.count() == generated
    assert "could not be stored" in caplog.text
