"""The pages that import a model and add models from the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.core.actors import System
from imagegen_app.core.capabilities import Capabilities, SizeRule
from imagegen_app.core.errors import ProviderTimeout
from imagegen_app.core.i18n import Message
from imagegen_app.core.model_descriptions import ListedModel, ModelDescription, ModelPage
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import Operation
from imagegen_app.models import ImageModel, Provider
from imagegen_app.services.gateways import catalog_files, model_lookup
from imagegen_app.services.policy import model_catalog
from imagegen_app.testing.factories import make_provider

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client

ABLE = Capabilities(
    operations=frozenset({Operation.GENERATE}),
    sizes=SizeRule(step=8, max_side=2048),
    parameters={"steps": Parameter("int", 1, 50, default=28, help="<b>How many</b>")},
)
PRICE = {
    "currency": "USD",
    "per_image": [{"amount": "0.02"}],
    "checked_on": "2026-11-26",
    "source": "https://images.example/<prices>",
}


@pytest.fixture
def provider(client: Client, people: dict[str, Any]) -> Provider:
    client.force_login(people["Image administrators"])
    return make_provider(adapter="openai_compatible", base_url="https://images.example/v1")


def url(name: str, provider: Provider) -> str:
    return reverse(f"admin:imagegen_provider_{name}", args=[provider.pk])


def says(monkeypatch: pytest.MonkeyPatch, **description: Any) -> None:
    found = ModelDescription(is_known=True, **description)
    monkeypatch.setattr(model_lookup, "describe_model", lambda _model: found)


def test_the_buttons_stand_on_the_providers_page(client: Client, provider: Provider) -> None:
    page = client.get(
        reverse("admin:imagegen_provider_change", args=[provider.pk])
    ).content.decode()

    assert url("import", provider) in page
    assert url("catalog", provider) in page


def test_the_list_is_paged_searched_and_escaped(
    client: Client, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, str]] = []

    def listed(_provider: Provider, **given: str) -> ModelPage:
        asked.append(given)
        return ModelPage((ListedModel("m<1>", "One & all"),), "n&x")

    monkeypatch.setattr(model_lookup, "list_models", listed)

    page = client.get(url("import", provider), {"q": 'a"b', "page": "3"}).content.decode()

    assert asked == [{"search": 'a"b', "page": "3"}]
    assert 'value="m&lt;1&gt;"' in page
    assert "One &amp; all" in page
    assert "?q=a%22b&amp;page=n%26x" in page


def test_a_server_that_cannot_be_asked_leaves_the_field_for_a_name(
    client: Client, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_provider: Provider, **_given: str) -> ModelPage:
        raise ProviderTimeout(detail="no answer <in> time")

    monkeypatch.setattr(model_lookup, "list_models", fail)

    page = client.get(url("import", provider)).content.decode()

    assert "The server could not be asked." in page
    assert "no answer &lt;in&gt; time" in page
    assert 'id="imagegen-name"' in page


def test_two_presses_register_what_was_shown(
    client: Client, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(
        monkeypatch,
        capabilities=ABLE,
        label="Model <1>",
        version="2026",
        price_list=PRICE,
        unknown=(
            Message("“%(name)s” is left out: it is not for people to choose", {"name": "<x>"}),
        ),
        problems=(Message("The provider says that this model is deprecated."),),
    )

    shown = client.post(url("import_preview", provider), {"name": "m-1"})
    page = shown.content.decode()
    token = shown.context["token"]
    done = client.post(url("import_create", provider), {"token": token}, follow=True)

    assert "Model &lt;1&gt;" in page
    assert "&lt;b&gt;How many&lt;/b&gt; From 1 to 50. Without a value: 28." in page
    assert "https://images.example/&lt;prices&gt;" in page
    assert "“&lt;x&gt;” is left out" in page
    assert "The provider says that this model is deprecated." in page
    assert "The model was imported as a draft." in done.content.decode()
    row = ImageModel.objects.get()
    assert (row.name, row.provider_model_name, row.lifecycle) == ("Model <1>", "m-1", "draft")
    assert row.price_list == PRICE
    again = client.post(url("import_preview", provider), {"name": "m-1"}).content.decode()
    assert "It is registered already, as “Model &lt;1&gt;”." in again
    assert "Create it as a draft" not in again


def test_what_was_not_shown_is_not_created(client: Client, provider: Provider) -> None:
    page = client.post(url("import_create", provider), {"token": "made up"}, follow=True)

    assert "What was shown is too old." in page.content.decode()
    assert not ImageModel.objects.exists()


def test_a_provider_of_workflows_without_one_says_where_to_upload_it(
    client: Client, people: dict[str, Any]
) -> None:
    client.force_login(people["Image administrators"])

    page = client.get(url("import", make_provider(adapter="comfyui"))).content.decode()

    assert "No workflow is uploaded for this provider." in page
    assert "The server does not list its models." not in page


def test_the_catalogue_is_shown_and_then_added(client: Client, people: dict[str, Any]) -> None:
    client.force_login(people["Image administrators"])
    openai = make_provider(adapter="openai")

    page = client.get(url("catalog", openai)).content.decode()
    assert not ImageModel.objects.exists()
    done = client.post(url("catalog_sync", openai), follow=True).content.decode()

    assert "added as a draft" in page
    # On a narrow screen each model is a card, and its cells say what they are.
    assert "imagegen-stacked" in page
    assert page.count('data-label="Price"') > 3
    assert "not added: it is retired" in page
    count = ImageModel.objects.count()
    assert count > 3
    assert f"{count} models were added as drafts. 0 models were updated." in done
    assert "There is nothing to add or update." in done


def test_a_price_that_somebody_changed_is_shown_in_words_and_kept(
    client: Client, people: dict[str, Any]
) -> None:
    client.force_login(people["Image administrators"])
    openai = make_provider(adapter="openai")
    client.post(url("catalog_sync", openai))
    model = ImageModel.objects.get(provider=openai, provider_model_name="gpt-image-2.6-flare")
    changed = {"currency": "EUR", "per_image": [{"amount": "0.02", "quality": "low"}]}
    model.price_list = changed
    model_catalog.save(actor=System("test"), record=model)

    page = client.get(url("catalog", openai)).content.decode()

    assert "“price list” stays as somebody changed it: 0.02 EUR (low)" in page
    assert "per_image" not in page


def test_a_broken_catalogue_is_told_on_the_page(
    client: Client, provider: Provider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "models.json"
    file.write_text("{")
    read = catalog_files.read_file
    monkeypatch.setattr(catalog_files, "read_file", lambda: read(file))

    shown = client.get(url("catalog", provider)).content.decode()
    posted = client.post(url("catalog_sync", provider), follow=True).content.decode()

    assert "the file is not JSON" in shown
    assert "the file is not JSON" in posted


def test_nobody_else_comes_to_these_pages(
    client: Client, people: dict[str, Any], provider: Provider
) -> None:
    client.force_login(people["Image editors"])

    answers = {
        name: client.post(url(name, provider)).status_code
        for name in ("import", "import_preview", "import_create", "catalog", "catalog_sync")
    }

    assert set(answers.values()) == {403}
