"""The page that leads from an empty site to the first image, and who is led there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from imagegen_app.models import AuditEvent, Budget, Grant, ImageModel, Provider
from imagegen_app.services.policy import access, setup_progress
from imagegen_app.testing.factories import make_grant, make_group, make_image_model, make_user

if TYPE_CHECKING:
    from django.test import Client

PAGE = reverse("admin:imagegen_setup")
STUDIO = reverse("admin:imagegen_studio")
EDITORS = "Editors of AI images"


@pytest.fixture
def root(client: Client, db: None) -> Client:
    """A superuser of a site on which nothing is set up, not even the roles."""
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    return client


def states(client: Client, query: str = "") -> dict[str, str]:
    page = client.get(PAGE + query).content.decode()
    return {
        name: state for state, name in re.findall(r'imagegen-step is-(\w+)" id="step-(\w+)"', page)
    }


def post(client: Client, step: str, **data: Any) -> str:
    response = client.post(PAGE, {"step": step, **data}, follow=True)
    return " ".join(str(m) for m in response.context["messages"])


def test_a_superuser_is_led_from_nothing_to_the_studio(root: Client) -> None:
    assert list(states(root).values()) == ["next", *["waiting"] * 5]

    post(root, "provider", adapter="sandbox")
    assert list(states(root).values()) == ["done", "done", "next", "waiting", "waiting", "waiting"]
    post(root, "models", provider="sandbox", own_model="sandbox-1")
    assert states(root)["grant"] == "next"
    post(root, "grant", group=EDITORS, models=["sandbox-1"], limit="12,5")
    assert states(root)["people"] == "next"
    assert "superusers need one, too" in root.get(STUDIO).content.decode()
    post(root, "people", group=EDITORS, me="1")

    assert list(states(root).values()) == ["done"] * 5 + ["next"]
    assert "Describe what the image should show." in root.get(STUDIO).content.decode()
    assert ImageModel.objects.get().price_list["per_image"] == [{"amount": "0"}]
    assert str(Budget.objects.get().limit) == "12.5000"
    assert Group.objects.get().permissions.filter(codename="request_job").exists()
    assert set(AuditEvent.objects.values_list("type", flat=True)) >= {
        "provider.created",
        "model.registered",
        "grant.created",
        "account.group_added",
        "budget.created",
    }


def test_a_key_is_named_and_its_value_is_looked_for(
    root: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "CREDENTIALS": {}}
    post(root, "provider", adapter="openai")
    before = root.get(PAGE).content.decode()
    entry = {"source": "env:IMAGES_KEY", "hosts": ["api.openai.com"]}
    settings.IMAGEGEN = {**settings.IMAGEGEN, "CREDENTIALS": {"openai": entry}}
    post(root, "key", provider="openai", credential="openai")
    without = root.get(PAGE).content.decode()
    monkeypatch.setenv("IMAGES_KEY", "k3y-of-the-images-0123456789")
    found = root.get(PAGE).content.decode()

    assert "env:OPENAI_API_KEY" in before
    assert "api.openai.com" in before
    assert "The settings name no key yet." in before
    assert 'is-next" id="step-key"' in without
    assert "its value is found" not in without
    assert "“openai”; its value is found." in found
    assert "k3y-of-the-images" not in found
    # The form of the first step, sent again from an old page.
    post(root, "provider", adapter="openai")
    assert Provider.objects.get().credential == "openai"


def test_models_of_the_catalogue_are_taken_with_their_prices(root: Client, settings: Any) -> None:
    entry = {"source": "env:IMAGES_KEY", "hosts": ["api.openai.com"]}
    settings.IMAGEGEN = {**settings.IMAGEGEN, "CREDENTIALS": {"openai": entry}}
    post(root, "provider", adapter="openai")
    post(root, "key", provider="openai", credential="openai")
    offered = root.get(PAGE + "?provider=openai").context["panels"].offered_models

    post(root, "models", provider="openai", models=[one["model"] for one in offered[:2]])

    assert all(one["price"] for one in offered)
    assert "dall-e-3" not in {one["model"] for one in offered}
    assert [one["is_proposed"] for one in offered] == [True] + [False] * (len(offered) - 1)
    assert set(ImageModel.objects.values_list("lifecycle", flat=True)) == {"active"}
    assert ImageModel.objects.count() == 2


def test_a_mistake_is_told_without_a_place_and_changes_nothing(root: Client) -> None:
    told = post(root, "models", provider="none", models=["x"])
    unknown = post(root, "people", group="None", logins="nobody")
    address = post(root, "provider", adapter="comfyui", base_url="10.0.0.5:8188")

    assert told == "Nothing was set up. “none” does not exist; add it first."
    assert "“nobody” does not exist" in unknown
    assert "TRUSTED_ORIGINS" in address
    assert not Provider.objects.exists()
    assert not AuditEvent.objects.filter(type__startswith="provider.").exists()


def test_what_a_site_took_from_a_role_is_not_given_back(root: Client) -> None:
    group = make_group("Image editors")
    group.permissions.remove(group.permissions.get(codename="approve_own_asset"))
    make_image_model(slug="m")

    post(root, "grant", group="Image editors", models=["m"])
    post(root, "people", group="Image editors", me="1")

    assert group.user_set.count() == 1
    assert not group.permissions.filter(codename="approve_own_asset").exists()


@pytest.mark.parametrize("role", ["Image editors", "Compliance", "plain"])
def test_the_page_is_for_those_who_may_add_providers(
    client: Client, people: dict[str, Any], role: str
) -> None:
    client.force_login(people[role])

    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, {"step": "provider", "adapter": "sandbox"}).status_code == 403
    assert not Provider.objects.exists()


def test_an_image_administrator_sets_up_all_but_groups_and_people(
    client: Client, people: dict[str, Any]
) -> None:
    client.force_login(people["Image administrators"])
    post(client, "provider", adapter="sandbox")
    post(client, "models", provider="sandbox", own_model="sandbox-1")
    refused = post(client, "grant", group=EDITORS, models=["sandbox-1"])
    post(client, "grant", group="Image editors", models=["sandbox-1"])
    nobody = post(client, "people", group="Image administrators", me="1")

    assert "permission" in refused
    assert "permission" in nobody
    assert Grant.objects.get().group.name == "Image editors"
    page = client.get(PAGE).content.decode()
    assert "You may not change accounts." in page
    assert "You may not change groups" in page


def test_the_studio_names_the_missing_step_and_links_to_it_for_those_who_may(
    client: Client, people: dict[str, Any]
) -> None:
    editor, admin = people["Image editors"], people["superuser"]
    told = {}
    model = None
    for step in ("provider", "models", "grant", "people"):
        if step == "models":
            model = make_image_model(lifecycle="draft")
        if step == "grant":
            access_model = model
            assert access_model is not None
            make_image_model(provider=access_model.provider)
        if step == "people":
            make_grant(group=make_group("Empty"), image_model=ImageModel.objects.usable().get())
        for person in (editor, admin):
            client.force_login(person)
            page = client.get(STUDIO).content.decode()
            told[step, person is admin] = page
        assert f'href="{PAGE}#step-{step}"' in told[step, True]
        assert PAGE not in told[step, False]

    assert "No provider is set up yet. Ask" in re.sub(r"</?strong>", "", told["provider", False])
    assert "No model is ready for use yet." in told["models", False]
    assert "No model is released to a group yet." in told["grant", False]
    assert "You have no grant for any model." in told["people", False]
    assert "You have no grant for any model; superusers need one, too." in told["people", True]


def test_the_overview_leads_to_the_next_step_until_the_site_is_set_up(
    root: Client, django_user_model: Any
) -> None:
    index = reverse("admin:index")
    empty = root.get(index).content.decode()
    make_grant(group=make_group("Crew"), image_model=make_image_model())
    nobody = root.get(index).content.decode()
    Group.objects.get(name="Crew").user_set.add(django_user_model.objects.get(username="root"))
    ready = root.get(index).content.decode()

    assert f'href="{PAGE}#step-provider"' in empty
    assert f'href="{PAGE}#step-people"' in nobody
    assert f"{PAGE}#" not in ready
    assert setup_progress.site_step() is None


def test_a_provider_without_a_key_counts_only_if_there_is_no_other(db: None, settings: Any) -> None:
    from imagegen_app.testing.factories import make_provider  # noqa: PLC0415 - one test needs it

    make_provider(adapter="openai")
    assert setup_progress.site_step() is setup_progress.SetupStep.KEY

    make_provider(adapter="sandbox")

    assert setup_progress.site_step() is setup_progress.SetupStep.MODELS
    assert access.granted_models(access.actor_for(make_user())) == []
