from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.datastructures import MultiValueDict

from imagegen_app.core.states import ReviewState
from imagegen_app.forms.mixins import require_usable
from imagegen_app.forms.widgets import (
    GeneratedImageWidget,
    GeneratedUpload,
    RejectedUpload,
    token_name,
)
from imagegen_app.services.library import chooser
from imagegen_app.services.policy import access, roles
from imagegen_app.testing.factories import make_asset, make_image, make_user

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor() -> Person:
    roles.create_groups()
    return access.actor_for(make_user("edda", groups=["Image editors"]))


def widget_of(actor: Person) -> GeneratedImageWidget:
    return GeneratedImageWidget(actor=actor, target="catalog.Product.image")


def picked(actor: Person, token: str, *, by: Person | None = None) -> object:
    return widget_of(by or actor).value_from_datadict(
        {token_name("image"): token}, MultiValueDict(), "image"
    )


def test_a_picked_asset_arrives_as_an_upload_of_its_own_bytes(editor: Person) -> None:
    asset = make_asset(requester=editor.user)

    upload = picked(editor, chooser.make_token(actor=editor, asset=asset))

    assert isinstance(upload, GeneratedUpload)
    assert not isinstance(upload, RejectedUpload)
    assert (upload.asset, upload.content_type) == (asset, "image/png")
    require_usable(upload)


@pytest.mark.parametrize("state", [ReviewState.PENDING, ReviewState.REJECTED])
def test_an_asset_that_is_not_approved_is_rejected_with_a_reason(
    editor: Person, state: ReviewState
) -> None:
    asset = make_asset(requester=editor.user, review_state=state)

    upload = picked(editor, chooser.make_token(actor=editor, asset=asset))

    with pytest.raises(ValidationError) as refused:
        require_usable(upload)
    assert refused.value.code == "not_usable"


@pytest.mark.parametrize("token", ["nonsense", "a:b:c"])
def test_a_forged_token_is_rejected(editor: Person, token: str) -> None:
    assert isinstance(picked(editor, token), RejectedUpload)


def test_somebody_who_may_not_place_images_picks_none(editor: Person) -> None:
    asset = make_asset(requester=editor.user)
    token = chooser.make_token(actor=editor, asset=asset)
    visitor = access.actor_for(make_user("visitor"))

    assert isinstance(picked(editor, token, by=visitor), RejectedUpload)


def test_a_real_upload_takes_precedence_over_a_selected_asset(editor: Person) -> None:
    asset = make_asset(requester=editor.user)
    token = chooser.make_token(actor=editor, asset=asset)
    file = SimpleUploadedFile("mine.png", make_image(), content_type="image/png")

    value = widget_of(editor).value_from_datadict(
        {token_name("image"): token}, MultiValueDict({"image": [file]}), "image"
    )

    assert value is file


def test_a_picked_asset_alone_counts_as_sent(editor: Person) -> None:
    widget = widget_of(editor)

    assert not widget.value_omitted_from_data({token_name("image"): "x"}, {}, "image")
    assert widget.value_omitted_from_data({}, {}, "image")


def test_a_copied_widget_shares_nothing_that_a_form_changes(editor: Person) -> None:
    widget = widget_of(editor)

    copied = copy.deepcopy(widget)
    copied.attrs["id"] = "other"
    copied.variables["product"] = "name"

    assert (widget.attrs, widget.variables) == ({}, {})
    assert copied.actor is editor
