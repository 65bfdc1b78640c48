"""Price lists are edited in fields for all kinds of prices, and say when they were last checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.testing.factories import make_image_model, make_provider, make_user

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
    "per_unit": {"megapixel": "0.04", "credit": "0.01", "second": "0.001", "step": "0.0001"},
    "checked_on": "2026-11-26",
}


@pytest.fixture
def model(db: None) -> ImageModel:
    # One whose calls are billed; others need no price.
    return make_image_model(provider=make_provider(adapter="openai"), price_list=LIST)


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
    assert "Per second of computing" in pages[0]
    assert "not known" in pages[1]


def test_a_list_with_a_price_per_megapixel_alone_is_edited_and_shown(
    admin_client: Client, db: None
) -> None:
    alone = {"currency": "EUR", "per_image": [], "per_unit": {"megapixel": "0.04"}}
    row = make_image_model(price_list=alone)
    url = reverse("admin:imagegen_imagemodel_change", args=[row.pk])
    form = admin_client.get(url).context["adminform"].form
    sent = {
        name: form[name].value() or "" for name in form.fields if form[name].value() is not None
    }

    admin_client.post(url, sent | {"notes": "changed"}, follow=True)

    row.refresh_from_db()
    assert (row.price_list, row.notes) == (alone, "changed")
    table = admin_client.get(reverse("admin:imagegen_imagemodel_changelist")).content.decode()
    assert "0.04 EUR per megapixel" in table


def saved(client: Client, model: ImageModel, **changes: Any) -> Any:
    """Send a model's form as it is shown, with changes, and return the page that follows."""
    url = reverse("admin:imagegen_imagemodel_change", args=[model.pk])
    form = client.get(url).context["adminform"].form
    sent = {
        name: form[name].value() or "" for name in form.fields if form[name].value() is not None
    }
    page = client.post(url, sent | changes, follow=True)
    model.refresh_from_db()
    return page


@pytest.mark.parametrize("rows", [0, 12, 13, 61])
def test_no_row_and_no_entry_is_lost(admin_client: Client, rows: int) -> None:
    prices = LIST | {
        "per_image": [
            {
                "amount": "0.02",
                **({"operation": "edit"} if n % 3 else {}),
                "quality": f"q{n}",
                **({"size": "1024x1536"} if n % 2 else {}),
            }
            for n in range(rows)
        ],
        "units_per_image": {"second": "7", "output_image": "1290"},
        "free_per_month": {"credit": "25"},
        "source": "https://images.example/prices",
    }
    model = make_image_model(price_list=prices)

    page = saved(admin_client, model, notes="new")

    assert page.context.get("errors") is None, page.context["errors"]
    assert model.notes == "new"
    assert model.price_list == prices


def test_a_draft_needs_no_price_and_an_active_model_does(
    admin_client: Client, model: ImageModel
) -> None:
    shown = admin_client.get(reverse("admin:imagegen_imagemodel_change", args=[model.pk]))
    form = shown.context["adminform"].form
    words = ("amount", "tokens", "unit", "expected", "free_count")
    empty = {name: "" for name in form.fields if name.startswith(words)}

    refused = saved(admin_client, model, **empty)
    assert "At least one price per image is required." in refused.content.decode()
    assert model.price_list == LIST
    saved(admin_client, model, **empty, lifecycle="draft")

    assert model.price_list == {}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"size_0": "big"}, "the price list is malformed"),
        ({"size_0": "64x64", "max_pixels_0": "9"}, "not for both"),
        ({"operation_0": "paint"}, "paint is not one of the available choices"),
        (
            {"operation_0": "edit", "amount_1": "3", "operation_1": "edit"},
            "two prices for the same size",
        ),
        ({"expected_second": "3", "unit_second": ""}, "not the price"),
        ({"currency": "usd"}, "three capital letters"),
        ({"unit_step": "-1"}, "greater than or equal to 0"),
    ],
)
def test_a_wrong_price_is_told_beside_its_fields(
    admin_client: Client, model: ImageModel, changes: dict[str, str], told: str
) -> None:
    page = saved(admin_client, model, **changes)

    assert told in page.content.decode()
    assert model.price_list == LIST


def test_a_long_list_is_edited_as_json(admin_client: Client) -> None:
    rows = [{"amount": "0.02", "quality": f"q{n}"} for n in range(20)]
    model = make_image_model(price_list={"currency": "USD", "per_image": rows})

    for wrong in ("[", '"0.02"', '[{"amount": "-1"}]', "{}", '["\\ud800"]'):
        page = saved(admin_client, model, rows=wrong)
        assert page.context["errors"], wrong
        assert len(model.price_list["per_image"]) == 20
    saved(admin_client, model, rows='[{"amount": "0.05"}]')

    assert model.price_list == {"currency": "USD", "per_image": [{"amount": "0.05"}]}
