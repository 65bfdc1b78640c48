"""A file that was downloaded from the site offers its recipe in the studio, with and without script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils.html import escape

from imagegen_app.testing.factories import make_asset, make_user
from tests.admin.test_studio_models import STUDIO, editor, models
from tests.services.library.test_marked_files import marked

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.models import Asset

__all__ = ["editor", "models"]
RECALL = "admin:imagegen_studio_recall"


@pytest.fixture
def picture(editor: Client) -> Asset:
    owner = get_user_model().objects.get(username="edda")
    return make_asset(requester=owner, seed=4711)


def handed_in(editor: Client, asset: Asset, **sent: Any) -> str:
    file = SimpleUploadedFile("a.webp", marked(f"xmp.did:{asset.pk}"), "image/webp")
    return editor.post(reverse(RECALL), {"file": file, **sent}).content.decode()


@pytest.mark.parametrize("part", ["", "1"])
def test_its_recipe_its_words_or_its_seed_are_offered(
    editor: Client, picture: Asset, part: str
) -> None:
    page = handed_in(editor, picture, part=part)

    address = f"{reverse(STUDIO)}?recall={picture.pk}"
    assert escape(address) in page
    assert escape(f"{address}&only=prompt") in page
    assert escape(f"{address}&only=seed") in page
    assert ("<html" in page) is not bool(part)
    form = editor.get(address).content.decode()
    assert "A quiet picture of a mug.</textarea>" in form
    assert 'value="4711"' in form


def test_of_somebody_elses_image_nothing_is_told(editor: Client) -> None:
    theirs = make_asset(requester=make_user("other"), title="Secret plan")

    page = handed_in(editor, theirs)

    assert "No recipe was found for this file." in page
    assert str(theirs.pk) not in page
    assert "Secret plan" not in page


def test_the_page_is_reached_from_the_studio_without_script(editor: Client) -> None:
    studio = editor.get(reverse(STUDIO)).content.decode()
    page = editor.get(reverse(RECALL)).content.decode()

    assert f'href="{reverse(RECALL)}?' in studio
    assert 'type="file"' in page
