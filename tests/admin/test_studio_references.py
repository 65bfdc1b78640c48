"""Images of the library as references in the studio: rows with a role, kept, refused, chosen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils.html import escape

from imagegen_app.models import Asset, Job
from imagegen_app.testing.factories import make_asset, make_user
from tests.admin.test_studio_models import OPTIONS, STUDIO, asked, editor, models

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.models import ImageModel

__all__ = ["editor", "models"]


@pytest.fixture
def picture(editor: Client) -> Asset:
    return own()


def own() -> Asset:
    owner = get_user_model().objects.get(username="edda")
    return make_asset(requester=owner, review_state="pending", size=(64, 64))


def drawn(editor: Client, model: ImageModel, **sent: Any) -> str:
    recipe = {"shown_template": "", "prompt": "A mug", "image_model": model.pk, "count": "1"}
    return editor.post(reverse(OPTIONS), {**recipe, **sent}).content.decode()


def chosen_role(page: str, number: int = 0) -> str:
    field = page.partition(f'name="taken_{number}_role"')[2].partition("</select>")[0]
    found = re.search(r'<option value="([^"]*)" selected', field)
    assert found is not None
    return found[1]


def test_an_image_of_the_library_is_a_row_with_the_roles_that_the_model_takes(
    editor: Client, models: dict[str, ImageModel], picture: Asset
) -> None:
    page = editor.get(f"{reverse(STUDIO)}?take={picture.pk}").content.decode()
    sandbox = drawn(editor, models["sandbox"], taken_0=str(picture.pk))
    openai = drawn(editor, models["openai"], taken_0=str(picture.pk))

    roles = [
        re.findall(r'<option value="([\w:]+)"', p.partition("taken_0_role")[2])
        for p in (sandbox, openai)
    ]
    assert f'name="taken_0" value="{picture.pk}" checked' in page
    assert [roles[0][:3], roles[1][:2]] == [["image", "reference", "style"], ["image", "reference"]]
    assert "control:depth" in roles[0]
    assert "control" not in roles[1]
    assert escape("A mug on a table") in sandbox


def test_images_of_the_library_are_requested_in_their_roles(
    editor: Client, models: dict[str, ImageModel], picture: Asset
) -> None:
    other = own()

    asked(
        editor,
        models["sandbox"],
        taken_0=str(picture.pk),
        taken_0_role="image",
        taken_4=str(other.pk),
        taken_4_role="control:depth",
        taken_4_weight="0.4",
        taken_4_end="0.8",
    )

    job = Job.objects.get(session__isnull=False)
    rows = {entry.role: entry for entry in job.inputs.all()}
    assert (rows["image"].asset, rows["control"].asset) == (picture, other)
    assert rows["control"].guide == {"kind": "depth", "weight": 0.4, "start": 0.0, "end": 0.8}


def test_a_row_that_is_not_checked_is_no_reference(
    editor: Client, models: dict[str, ImageModel], picture: Asset
) -> None:
    asked(editor, models["sandbox"], taken_0_role="image", size="1:1")

    assert Job.objects.get(session__isnull=False).inputs.count() == 0


def test_another_model_changes_the_role_to_one_that_it_takes_and_says_so(
    editor: Client, models: dict[str, ImageModel], picture: Asset
) -> None:
    sent = {
        "taken_0": str(picture.pk),
        "taken_0_role": "style",
        "shown_model": str(models["sandbox"].pk),
    }

    kept = drawn(editor, models["sandbox"], **sent)
    moved = drawn(editor, models["openai"], **sent)
    none = drawn(editor, models["comfyui"], **sent)

    assert chosen_role(kept) == "style"
    assert "data-changes" not in kept
    assert chosen_role(moved) == "image"
    assert "the image is now used as “Image”" in moved
    assert 'name="taken_0"' not in none
    assert "“chosen image” was left out" in none


def test_an_image_that_is_not_the_persons_is_not_shown_and_refused(
    editor: Client, models: dict[str, ImageModel]
) -> None:
    theirs = make_asset(requester=make_user("other"), review_state="pending", size=(64, 64))

    shown = editor.get(f"{reverse(STUDIO)}?take={theirs.pk}").content.decode()
    page = asked(editor, models["sandbox"], taken_0=str(theirs.pk), taken_0_role="image")
    dialog = editor.get(reverse("admin:imagegen_studio_reference", args=[theirs.pk]))

    assert str(theirs.pk) not in shown
    assert "The image to start from cannot be used any more" in shown
    assert "The image to start from cannot be used any more" in page.content.decode()
    assert dialog.status_code == 404
    assert not Job.objects.filter(session__isnull=False).exists()


def test_the_library_leads_back_to_the_studio_with_the_chosen_image(
    editor: Client, models: dict[str, ImageModel], picture: Asset
) -> None:
    library = editor.get(f"{reverse('admin:imagegen_library')}?pick=reference").content.decode()
    dialog_address = reverse("admin:imagegen_studio_reference", args=[picture.pk])
    page = editor.get(f"{dialog_address}?pick=reference").content.decode()
    in_dialog = editor.get(f"{dialog_address}?embed=1&field=reference").content.decode()

    assert f"{dialog_address}?pick=reference" in library
    assert f"{reverse(STUDIO)}?take={picture.pk}" in page
    assert f'<imagegen-chosen field="reference" asset="{picture.pk}"' in in_dialog
