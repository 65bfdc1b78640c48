"""The forms of models and grants ask for little, and say what keeps a model from being used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.core.actors import System
from imagegen_app.core.states import Lifecycle
from imagegen_app.models import ImageModel
from imagegen_app.services.policy import model_catalog
from imagegen_app.testing.factories import make_grant, make_group, make_image_model, make_provider

if TYPE_CHECKING:
    from django.test import Client

ADD = reverse("admin:imagegen_imagemodel_add")
FREE = {"currency": "USD", "per_image": [{"amount": "0"}]}


def proposed(client: Client) -> dict[str, Any]:
    """Return what an empty form would send."""
    form = client.get(ADD).context["adminform"].form
    return {
        name: value for name in form.fields if (value := form[name].value()) not in (None, False)
    }


def test_a_free_model_is_added_by_sending_the_form_as_it_is(admin_client: Client, db: None) -> None:
    make_provider(adapter="sandbox")

    page = admin_client.post(ADD, proposed(admin_client), follow=True)

    assert page.context.get("errors") is None, page.context["errors"]
    model = ImageModel.objects.get()
    assert (model.name, model.slug, model.provider_model_name) == ("sandbox-1",) * 3
    assert model.version
    assert model.lifecycle == "active"
    assert model.price_list == FREE


def test_names_come_from_the_catalogue_and_a_billed_model_is_asked_its_price(
    admin_client: Client, db: None
) -> None:
    make_provider(adapter="openai")
    sent = {**proposed(admin_client), "provider_model_name": "gpt-image-2.6-sunburst"}

    refused = admin_client.post(ADD, sent)
    admin_client.post(ADD, {**sent, "amount_0": "0.05"})

    assert "At least one price per image is required." in refused.content.decode()
    model = ImageModel.objects.get()
    assert (model.name, model.version) == ("GPT Image 2.6 Sunburst", "2026-11-04")


def test_with_several_providers_none_is_proposed(admin_client: Client, db: None) -> None:
    make_provider()
    make_provider()

    assert proposed(admin_client).get("provider_model_name", "") == ""


@pytest.mark.django_db
def test_a_free_draft_without_a_price_is_activated_at_the_price_of_nothing() -> None:
    model = make_image_model(lifecycle="draft", price_list={})
    billed = make_image_model(
        lifecycle="draft", price_list={}, provider=make_provider(adapter="openai")
    )
    actor = System("test")

    model_catalog.set_lifecycle(actor=actor, image_model=model, lifecycle=Lifecycle.ACTIVE)
    with pytest.raises(model_catalog.InvalidRecord):
        model_catalog.set_lifecycle(actor=actor, image_model=billed, lifecycle=Lifecycle.ACTIVE)

    model.refresh_from_db()
    assert (model.lifecycle, model.price_list) == ("active", FREE)


def test_a_grant_says_that_its_model_is_a_draft(admin_client: Client, db: None) -> None:
    draft = make_image_model(name="Sketch", lifecycle="draft")
    group = make_group("Crew")
    address = reverse("admin:imagegen_grant_add")
    shown = admin_client.get(address)
    sent = {
        "group": group.pk,
        "image_model": draft.pk,
        "operations": ["generate"],
        "max_pixels": "1000000",
        "max_count": "1",
    }

    page = admin_client.post(address, sent, follow=True)

    assert "Sketch (Draft)" in shown.content.decode()
    told = [str(m) for m in page.context["messages"]]
    assert any("Nobody can use “Sketch” yet, although it is granted" in text for text in told)
    usable = make_grant(group=group, image_model=make_image_model(name="Ready"))
    page = admin_client.get(reverse("admin:imagegen_grant_change", args=[usable.pk]))
    assert ">Ready</option>" in page.content.decode()
