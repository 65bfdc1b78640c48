"""The page that tells what a model's server says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.core.capabilities import Capabilities, SizeRule
from imagegen_app.core.errors import ProviderTimeout
from imagegen_app.core.i18n import Message
from imagegen_app.core.model_descriptions import ModelDescription
from imagegen_app.core.types import Operation
from imagegen_app.models import ImageModel
from imagegen_app.services.gateways import model_lookup
from imagegen_app.testing.factories import make_image_model, make_provider

if TYPE_CHECKING:
    from django.test import Client

ABLE = Capabilities(operations=frozenset({Operation.GENERATE}), sizes=SizeRule(step=8), max_count=3)


@pytest.fixture
def model(db: None) -> ImageModel:
    provider = make_provider(adapter="openai_compatible", base_url="https://images.example/v1")
    return make_image_model(provider=provider, provider_model_name="flux")


def url(name: str, model: ImageModel) -> str:
    return reverse(f"admin:imagegen_imagemodel_{name}", args=[model.pk])


def says(monkeypatch: pytest.MonkeyPatch, **description: Any) -> None:
    found = ModelDescription(**description)
    monkeypatch.setattr(model_lookup, "describe_model", lambda _model: found)


def test_a_model_that_the_server_lacks_is_told_with_what_it_has(
    client: Client, people: dict[str, Any], model: ImageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = Message(
        "The server says that this model makes no images, but: %(kind)s.", {"kind": "<x>"}
    )
    says(monkeypatch, is_known=False, models=("sd<b>", "other"), problems=(problem,))
    client.force_login(people["Image administrators"])

    page = client.post(url("ask_server", model)).content.decode()

    assert "The server does not list the model “flux”." in page
    assert "sd&lt;b&gt;" in page
    assert "makes no images, but: &lt;x&gt;." in page
    assert "The server does not tell what the model can do." in page


def test_what_it_says_is_taken_over_by_a_button(
    client: Client, people: dict[str, Any], model: ImageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, is_known=True, capabilities=ABLE)
    client.force_login(people["Image administrators"])

    asked = client.post(url("ask_server", model))
    changes = asked.context["changes"]
    taken = client.post(url("take_over", model), {"changes": changes}, follow=True)

    assert json.loads(changes)["max_count"] == 3
    assert "The server has the model “flux”." in asked.content.decode()
    assert "The capabilities were taken over." in taken.content.decode()
    assert ImageModel.objects.get().capabilities["max_count"] == 3
    again = client.post(url("ask_server", model)).content.decode()
    assert "It is registered as the server describes it." in again


def form_values(model: ImageModel, **changes: str) -> dict[str, str]:
    """Return what the model's form sends of it; other fields are unfinished."""
    return {
        "provider": str(model.provider_id),
        "provider_model_name": model.provider_model_name,
        "version": model.version,
        "workflow": "",
        "capabilities": json.dumps(model.capabilities),
        "name": "",
        **changes,
    }


def test_what_is_typed_is_asked_about_before_it_is_saved(
    client: Client, people: dict[str, Any], model: ImageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Any]] = []

    def describe(one: ImageModel) -> ModelDescription:
        asked.append((one.provider_model_name, one.capabilities))
        return ModelDescription(is_known=True, capabilities=ABLE)

    monkeypatch.setattr(model_lookup, "describe_model", describe)
    client.force_login(people["Image administrators"])
    values = form_values(model, provider_model_name="typed", capabilities='{"max_prompt_chars": 9}')

    page = client.post(url("ask_server", model), values)
    same = client.post(url("ask_server", model), form_values(model))
    new = client.post(reverse("admin:imagegen_imagemodel_ask_server_new"), values)

    assert asked == [("typed", {"max_prompt_chars": 9}), ("flux", {}), ("typed", asked[0][1])]
    for one in (page, new):
        assert json.loads(one.context["merged"]) == {
            "max_prompt_chars": 9,
            **json.loads(one.context["changes"]),
        }
        assert "not saved" in one.content.decode()
        assert 'name="changes"' not in one.content.decode()
    assert 'name="changes"' in same.content.decode()
    stored = ImageModel.objects.get()
    assert (stored.provider_model_name, stored.capabilities) == ("flux", {})


def test_a_server_is_asked_about_a_new_model_of_which_only_its_name_there_is_typed(
    client: Client, people: dict[str, Any], model: ImageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = ModelDescription(is_known=True, capabilities=ABLE)
    monkeypatch.setattr(model_lookup, "describe_model", lambda _: told)
    client.force_login(people["Image administrators"])
    known = ("provider", "provider_model_name")
    values = {name: value if name in known else "" for name, value in form_values(model).items()}

    page = client.post(reverse("admin:imagegen_imagemodel_ask_server_new"), values)

    assert page.context["description"] is told
    assert "could not be asked" not in page.content.decode()


def test_what_is_typed_keeps_to_the_rules_that_saving_has(
    client: Client, people: dict[str, Any], model: ImageModel
) -> None:
    outside = make_provider(
        adapter="openai_compatible", slug="away", base_url="https://elsewhere.example/v1"
    )
    client.force_login(people["Image administrators"])
    wrong = {
        "provider": form_values(model, provider="999999"),
        "capabilities": form_values(model, capabilities="{"),
        "base URL": form_values(model, provider=str(outside.pk)),
    }

    pages = {
        name: client.post(url("ask_server", model), values).content.decode()
        for name, values in wrong.items()
    }

    assert all("The server could not be asked." in page for page in pages.values())
    assert "elsewhere.example" in pages["base URL"]
    new = reverse("admin:imagegen_imagemodel_ask_server_new")
    assert "The server could not be asked." in client.post(new).content.decode()
    found = {}
    for name, person in people.items():
        client.force_login(person)
        found[name] = client.post(new, form_values(model)).status_code
    assert {n for n, status in found.items() if status == 200} == {
        "Image administrators",
        "superuser",
    }


PRICE = {
    "currency": "USD",
    "per_image": [{"amount": "0.07"}],
    "checked_on": "2026-11-27",
    "source": "https://images.example/v1/model/info",
}


def test_a_price_is_taken_over_by_a_button_of_its_own(
    client: Client, people: dict[str, Any], model: ImageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, is_known=True, price_list=PRICE)
    client.force_login(people["Image administrators"])

    asked = client.post(url("ask_server", model))
    taken = client.post(
        url("take_over", model),
        {"changes": "{}", "price_list": asked.context["price_list"]},
        follow=True,
    )
    again = client.post(url("ask_server", model))

    assert "The server names another price" in asked.content.decode()
    assert "The prices were taken over." in taken.content.decode()
    assert ImageModel.objects.get().price_list["per_image"] == [{"amount": "0.07"}]
    assert again.context["price_list"] == ""
    refused = client.post(
        url("take_over", model), {"changes": "{}", "price_list": '{"currency": 7}'}, follow=True
    )
    assert "This cannot be saved." in refused.content.decode()


@pytest.mark.parametrize("changes", ["", "[]", "{", '{"max_count": "x"}', "[" * 300_000])
def test_changes_that_are_none_are_refused(
    client: Client, people: dict[str, Any], model: ImageModel, changes: str
) -> None:
    client.force_login(people["Image administrators"])

    page = client.post(url("take_over", model), {"changes": changes}, follow=True)

    assert "This cannot be saved." in page.content.decode()
    assert ImageModel.objects.get().capabilities == {}


def test_only_those_who_change_models_ask_and_only_by_a_button(
    client: Client, people: dict[str, Any], model: ImageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, is_known=True)
    found = {}
    for name, person in people.items():
        client.force_login(person)
        found[name] = client.post(url("ask_server", model)).status_code
    client.force_login(people["Image administrators"])

    allowed = {name for name, status in found.items() if status == 200}
    assert allowed == {"Image administrators", "superuser"}
    assert client.get(url("ask_server", model)).status_code == 405
    missing = url("ask_server", model).replace(str(model.pk), "999999")
    assert client.post(missing).status_code == 404


def test_a_server_that_cannot_be_asked_leads_back_to_the_model(
    client: Client, people: dict[str, Any], model: ImageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(people["Image administrators"])

    def fail(_model: ImageModel) -> None:
        raise ProviderTimeout(detail="simulated")

    monkeypatch.setattr(model_lookup, "describe_model", fail)
    page = client.post(url("ask_server", model), follow=True).content.decode()

    assert "The server could not be asked." in page
    assert "(simulated)" in page


def test_the_button_is_there_where_the_adapter_can_ask(
    client: Client, people: dict[str, Any], model: ImageModel
) -> None:
    other = make_image_model(provider=make_provider(adapter="sandbox", slug="box"), slug="box")
    client.force_login(people["Image administrators"])

    pages = [client.get(url("change", one)).content.decode() for one in (model, other)]
    client.force_login(people["Compliance"])
    reader = client.get(url("change", model)).content.decode()

    assert [("Ask the server" in page) for page in (*pages, reader)] == [True, False, False]
    assert 'formtarget="_blank"' in pages[0]
    client.force_login(people["Image administrators"])
    new = client.get(reverse("admin:imagegen_imagemodel_add")).content.decode()
    assert reverse("admin:imagegen_imagemodel_ask_server_new") in new
