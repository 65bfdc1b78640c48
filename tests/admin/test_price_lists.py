"""Price lists are edited in fields for all kinds of prices, and say when they were last checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.testing.factories import make_image_model, make_user

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.models import ImageModel

TOKENS = {
    "input_text": "5",
    "cached_input_text": "1.25",
    "input_image": "8",
    "cached_input_image": "2",
    "output_image": "30",
    "output_text": "10",
}
LIST: dict[str, Any] = {
    "currency": "USD",
    "per_image": [{"amount": "0.02"}],
    "per_million_tokens": TOKENS,
    "checked_on": "2026-11-26",
}


@pytest.fixture
def model(db: None) -> ImageModel:
    return make_image_model(price_list=LIST)


def test_a_price_list_comes_out_of_its_form_as_it_went_in(
    admin_client: Client, model: ImageModel
) -> None:
    url = reverse("admin:imagegen_imagemodel_change", args=[model.pk])
    form = admin_client.get(url).context["adminform"].form
    sent = {
        name: form[name].value() or "" for name in form.fields if form[name].value() is not None
    }

    page = admin_client.post(url, sent, follow=True)

    assert page.context.get("errors") is None, page.context["errors"]
    model.refresh_from_db()
    assert model.price_list == LIST


def test_pages_say_when_prices_were_last_checked(
    admin_client: Client, client: Client, model: ImageModel
) -> None:
    unknown = make_image_model(price_list={**LIST, "checked_on": ""})
    reader = make_user("rita", permissions=["imagegen.view_imagemodel"], is_staff=True)
    client.force_login(reader)

    table = admin_client.get(reverse("admin:imagegen_imagemodel_changelist")).content.decode()
    pages = [
        client.get(reverse("admin:imagegen_imagemodel_change", args=[one.pk])).content.decode()
        for one in (model, unknown)
    ]

    assert 'class="field-prices_checked">2026-11-26<' in table
    assert 'class="field-prices_checked">not known<' in table
    assert "2026-11-26" in pages[0]
    assert "Output text, per million tokens" in pages[0]
    assert "not known" in pages[1]
