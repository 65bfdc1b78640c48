"""The studio helps with the prompt where the site has a text model, with and without script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.urls import reverse

from imagegen_app.models import TextCall
from imagegen_app.writing.base import TextModelFailed, WrittenPrompt
from project.catalog.models import Category, Product
from tests.admin.test_studio_models import STUDIO, editor, models
from tests.services.job_requests.test_prompt_suggestions import HERE, Writer

if TYPE_CHECKING:
    from django.test import Client

__all__ = ["editor", "models"]
PROMPT = "admin:imagegen_studio_prompt"


@pytest.fixture
def writer(editor: Client, settings: Any) -> type[Writer]:
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "TEXT_MODEL": {"BACKEND": f"{HERE}.Writer", "NAME": "writer", "PRICE": "0.002"},
        "TARGETS": {
            "catalog.Product.image": {
                "template": "",
                "variables": {"product": "name"},
                "texts": ["name", "category.name", "description"],
            }
        },
    }
    Writer.answer = WrittenPrompt('A <b>calm</b> mug "by" a window.')
    Writer.asked = []
    return Writer


@pytest.fixture
def mug(editor: Client) -> Product:
    category = Category.objects.create(name="Table", slug="table")
    return Product.objects.create(
        category=category, name="Oat mug", slug="oat-mug", sku="M1", price="9.00"
    )


def of(product: Product) -> str:
    return f"?target=catalog.Product.image&object={product.pk}&template="


def test_without_a_text_model_there_is_no_help(editor: Client) -> None:
    page = editor.get(reverse(STUDIO)).content.decode()

    assert "imagegen-prompt-help" not in page.replace("css/prompt-help.css", "")


def test_a_prompt_is_improved_and_shown_beside_the_typed_one(
    editor: Client, writer: type[Writer]
) -> None:
    sent = {"prompt": "A mug", "wish": "calmer", "improve_prompt": "1"}

    page = editor.post(reverse(STUDIO), sent).content.decode()

    assert writer.asked == [("A mug", "calmer")]
    assert "A mug</textarea>" in page
    assert 'value="A &lt;b&gt;calm&lt;/b&gt; mug &quot;by&quot; a window."' in page
    assert "<b>calm" not in page
    assert 'value="calmer"' in page
    # For the script: the same part of the page alone.
    part = editor.post(reverse(PROMPT), sent).content.decode()
    assert "data-suggested" in part
    assert "<html" not in part


def test_a_suggested_prompt_is_taken_without_script(editor: Client, writer: type[Writer]) -> None:
    sent = {"prompt": "A mug", "suggested_prompt": "A calm mug.", "take_prompt": "1"}

    page = editor.post(reverse(STUDIO), sent).content.decode()

    assert "A calm mug.</textarea>" in page
    assert "data-suggested" not in page
    assert writer.asked == []


def test_a_prompt_is_suggested_from_the_object_that_the_image_is_for(
    editor: Client, writer: type[Writer], mug: Product
) -> None:
    user = get_user_model().objects.get(username="edda")
    stranger = editor.get(reverse(STUDIO) + of(mug)).content.decode()
    assert "Suggest one for" not in stranger
    user.user_permissions.add(Permission.objects.get(codename="view_product"))

    page = editor.post(reverse(STUDIO) + of(mug), {"suggest_prompt": "1"}).content.decode()

    assert "Suggest one for “Oat mug”" in page
    # A text that is empty is not sent; a field of another model is named with it.
    assert writer.asked == [{"Name": "Oat mug", "Category name": "Table"}]
    assert "data-suggested" in page


def test_a_refusal_says_why_and_keeps_what_was_typed(editor: Client, writer: type[Writer]) -> None:
    writer.answer = TextModelFailed("secret reason")

    page = editor.post(reverse(STUDIO), {"prompt": "A mug", "improve_prompt": "1"}).content.decode()

    assert "No prompt was suggested." in page
    assert "gave no answer that can be used" in page
    assert "secret reason" not in page
    assert "A mug</textarea>" in page


def test_only_who_may_request_images_is_helped_and_only_by_post(
    editor: Client, client: Client, writer: type[Writer]
) -> None:
    assert editor.get(reverse(PROMPT)).status_code == 404
    user = get_user_model().objects.create_user("plain", is_staff=True)
    client.force_login(user)

    answer = client.post(reverse(PROMPT), {"prompt": "A mug", "improve_prompt": "1"})

    # To them the address does not exist.
    assert answer.status_code == 404
    assert not TextCall.objects.exists()
