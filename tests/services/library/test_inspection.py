"""The marking of a stored file is read, and whether the file is still ours."""

from __future__ import annotations

import hashlib

import pytest

from imagegen_app.imaging.errors import InvalidImage
from imagegen_app.services.gateways import storage
from imagegen_app.services.library import inspection
from imagegen_app.testing.factories import make_asset, make_image

pytestmark = pytest.mark.django_db


def test_a_file_with_its_recorded_hash_is_unchanged() -> None:
    asset = make_asset()
    asset.sha256 = hashlib.sha256(storage.get(asset.storage_key)).hexdigest()

    assert inspection.inspect_stored(asset).is_unchanged is True


@pytest.mark.parametrize(
    "data", [make_image(size=(32, 32)), b"no image at all", b"\0\0\0\x18ftypavif\0\0\0\0mif1avif"]
)
def test_whatever_lies_in_the_place_of_a_file_is_reported_as_changed(data: bytes) -> None:
    asset = make_asset()
    key, _ = storage.put("assets", data, extension="png")
    asset.storage_key = key

    try:
        found = inspection.inspect_stored(asset)
    except InvalidImage:
        pytest.fail("a changed file must not break the page that shows it")

    assert (found.is_unchanged, found.is_intact) == (False, False)
    assert found.summary == "the stored file was changed"
