"""The form of a template takes a size, or none for the model's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.admin import image_templates
from imagegen_app.models import PromptTemplate
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import (
    make_asset,
    make_image_model,
    make_job,
    make_provider,
    make_user,
)

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
ADD = "admin:imagegen_prompttemplate_add"


@pytest.fixture
def author(client: Client) -> Client:
    client.force_login(make_user("ann", groups=["Template authors"], is_staff=True))
    return client


def sent(**changes: Any) -> dict[str, Any]:
    values = {"name": "Mugs", "slug": "mugs", "body": "A mug", "operation": "generate"}
    return {**values, "count": "1", "seed_strategy": "random", "size": "", **changes}


def test_an_empty_size_leaves_it_to_the_model(author: Client) -> None:
    author.post(reverse(ADD), sent())

    version = PromptTemplate.objects.get().current
    assert version is not None
    assert (version.width, version.height) == (None, None)
    edit = reverse("admin:imagegen_prompttemplate_change", args=[version.template_id])
    assert author.get(edit).context["adminform"].form["size"].value() == ""
    shown = author.get(reverse("admin:imagegen_templateversion_change", args=[version.pk]))
    assert "the model&#x27;s own" in shown.content.decode()


def test_a_size_for_a_model_that_takes_none_is_told_at_its_field(author: Client) -> None:
    model = make_image_model(
        provider=make_provider(adapter="fal"), provider_model_name="fal-ai/birefnet"
    )
    values = sent(operation="remove_background", image_model=str(model.pk), size="512x512")

    page = author.post(reverse(ADD), values)

    assert not PromptTemplate.objects.exists()
    (told,) = page.context["adminform"].form.errors["size"]
    assert told.startswith("The template states a size, and this model takes none")


@pytest.mark.parametrize(
    ("adapter", "name", "operation", "size"),
    [
        ("fal", "fal-ai/birefnet", "remove_background", ""),
        ("sandbox", "sandbox-1", "generate", "64x48"),
    ],
)
def test_a_template_from_an_image_states_its_size_if_the_model_takes_one(
    adapter: str, name: str, operation: str, size: str
) -> None:
    owner = make_user("ann", is_superuser=True)
    model = make_image_model(provider=make_provider(adapter=adapter), provider_model_name=name)
    asset = make_asset(job=make_job(requester=owner, image_model=model, operation=operation))

    found = image_templates.initial_values(access.actor_for(owner), str(asset.pk))

    assert found["size"] == size
