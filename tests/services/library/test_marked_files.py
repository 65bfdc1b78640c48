"""Which image of the site a file leads to, and for whom: by its bytes, by its marks, by nobody's word."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imagegen_app.core.source_types import GENERATED
from imagegen_app.imaging.metadata import XmpFields, build_xmp
from imagegen_app.services.gateways import storage
from imagegen_app.services.library.marked_files import NoRecipe, image_of_file
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_user
from tests.changed_rows import change

if TYPE_CHECKING:
    from imagegen_app.models import Asset


def person(name: str, *permissions: str) -> Any:
    return access.actor_for(make_user(name, permissions=[f"imagegen.{one}" for one in permissions]))


def marked(document: str) -> bytes:
    out = io.BytesIO()
    marks = XmpFields(digital_source_type=GENERATED, ai_system="Sandbox", document_id=document)
    Image.new("RGB", (16, 16), "teal").save(out, "webp", xmp=build_xmp(marks))
    return out.getvalue()


@pytest.fixture
def asset(db: None) -> Asset:
    return make_asset(requester=make_user("owner"))


def test_a_file_of_the_site_leads_to_its_image_by_its_bytes(asset: Asset) -> None:
    owner = access.actor_for(asset.job.requester)
    rendition = asset.renditions.first()
    assert rendition is not None

    for key in (asset.storage_key, asset.original_storage_key, rendition.storage_key):
        assert image_of_file(owner, storage.get(key)) == asset


def test_a_changed_copy_leads_to_its_image_by_its_marks(asset: Asset) -> None:
    owner = access.actor_for(asset.job.requester)

    assert image_of_file(owner, marked(f"xmp.did:{asset.pk}")) == asset


@pytest.mark.parametrize(
    "permissions", [(), ("view_asset",), ("view_prompt",)], ids=["none", "image", "prompt"]
)
def test_whoever_may_not_see_the_image_or_read_its_prompt_learns_nothing(
    asset: Asset, permissions: tuple[str, ...]
) -> None:
    with pytest.raises(NoRecipe) as theirs:
        image_of_file(person("other", *permissions), marked(f"xmp.did:{asset.pk}"))
    with pytest.raises(NoRecipe) as nothing:
        image_of_file(person("another"), marked("xmp.did:00000000-0000-7000-8000-000000000000"))

    assert str(theirs.value) == str(nothing.value)


def test_whoever_may_do_both_gets_it(asset: Asset) -> None:
    reader = person("reader", "view_asset", "view_prompt")

    assert image_of_file(reader, marked(f"xmp.did:{asset.pk}")) == asset


def test_an_image_that_is_closed_for_good_leads_nowhere(asset: Asset) -> None:
    change(asset, hard_category="csam")

    with pytest.raises(NoRecipe):
        image_of_file(access.actor_for(asset.job.requester), marked(f"xmp.did:{asset.pk}"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no image",
        b"\x89PNG\r\n\x1a\n broken",
        marked(""),
        marked("xmp.did:x"),
        marked("else"),
    ],
    ids=["empty", "text", "broken", "bare", "no-id", "foreign"],
)
def test_other_files_lead_nowhere(db: None, data: bytes) -> None:
    with pytest.raises(NoRecipe):
        image_of_file(person("somebody"), data)
