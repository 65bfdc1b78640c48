"""Withdrawing an image clears the fields that hold a copy, and deletes the copy with its thumbnails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile
from django.db.models.signals import pre_save
from easy_thumbnails.files import get_thumbnailer
from easy_thumbnails.models import Source, Thumbnail
from filer.models import Image

from imagegen_app import signals
from imagegen_app.core.actors import System
from imagegen_app.models import AuditEvent, Placement
from imagegen_app.services.library import placement, takedown
from imagegen_app.testing.factories import make_asset, make_image
from project.catalog.models import Product
from tests import arranged_rows

if TYPE_CHECKING:
    from tests.failing_storage import FailingStorage

pytestmark = pytest.mark.django_db
REVIEWER = System("reviewer")


def placed_product(asset: Any) -> Product:
    arranged_rows.products()
    product = Product.objects.earliest("pk")
    placement.attach(actor=REVIEWER, asset=asset, target=product, field="image")
    return product


@pytest.fixture
def committed(django_capture_on_commit_callbacks: Any) -> Any:
    """Run what follows the commit when the block ends."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def test_withdrawing_clears_the_fields_that_hold_a_copy(committed: Any) -> None:
    asset = make_asset()
    product = placed_product(asset)
    storage, name = product.image.storage, str(product.image.name)

    with committed():
        cleared = takedown.withdraw(actor=REVIEWER, asset=asset, note="Report 12")

    product.refresh_from_db()
    asset.refresh_from_db()
    assert (cleared, asset.review_state, bool(product.image)) == (1, "withdrawn", False)
    assert not storage.exists(name)
    assert not Placement.objects.active().exists()
    assert AuditEvent.objects.filter(type="placement.removed", asset_id=asset.pk).count() == 1


def test_a_field_changed_since_is_not_cleared() -> None:
    asset = make_asset()
    product = placed_product(asset)
    product.image = "products/other.png"
    product.save()

    cleared = takedown.withdraw(actor=REVIEWER, asset=asset)

    product.refresh_from_db()
    assert (cleared, product.image.name) == (0, "products/other.png")


@pytest.mark.parametrize("is_remembered", [True, False])
def test_thumbnails_of_a_copy_are_deleted(committed: Any, is_remembered: bool) -> None:
    asset = make_asset()
    thumbnailer = get_thumbnailer(placed_product(asset).image)
    made = [thumbnailer.get_thumbnail({"size": size}) for size in ((20, 20), (30, 30))]
    other = thumbnailer.thumbnail_storage.save(
        f"{thumbnailer.name}.20x20.txt.backup", ContentFile(b"of somebody else")
    )
    if not is_remembered:
        Source.objects.all().delete()
    before = [made[0].storage.exists(thumbnail.name) for thumbnail in made]

    with committed():
        takedown.withdraw(actor=REVIEWER, asset=asset)

    assert before == [True, True]
    assert [made[0].storage.exists(thumbnail.name) for thumbnail in made] == [False, False]
    assert not Thumbnail.objects.exists()
    assert not Source.objects.exists()
    thumbnailer.thumbnail_storage.delete(other)


@pytest.mark.parametrize("is_public", [True, False])
def test_a_copy_in_filer_is_deleted_with_filers_thumbnails(committed: Any, is_public: bool) -> None:
    asset = make_asset()
    image = Image.objects.create(original_filename="a.png", is_public=is_public)
    placement.attach(actor=REVIEWER, asset=asset, target=image, field="file")
    # Otherwise filer opens the file whenever it loads the row, and leaves closing it to others.
    Image.objects.filter(pk=image.pk).update(_file_size=asset.byte_size, sha1="0" * 40)
    image = Image.objects.get(pk=image.pk)
    thumbnail = image.file.get_thumbnail({"size": (20, 20)})
    files = [(image.file.storage, image.file.name), (thumbnail.storage, thumbnail.name)]
    before = [storage.exists(name) for storage, name in files]

    with committed():
        takedown.withdraw(actor=REVIEWER, asset=asset)

    assert before == [True, True]
    assert [storage.exists(name) for storage, name in files] == [False, False]
    assert Image.objects.get(pk=image.pk).url == ""


def test_thumbnails_are_deleted_later_where_their_storage_fails_now(
    committed: Any, failing_storage: type[FailingStorage]
) -> None:
    asset = make_asset()
    thumbnailer = get_thumbnailer(placed_product(asset).image)
    thumbnail = thumbnailer.get_thumbnail({"size": (20, 20)})
    failing_storage.failing = {"delete"}

    with committed():
        takedown.withdraw(actor=REVIEWER, asset=asset)
    waiting = Placement.objects.filter(has_copy_to_delete=True).count()
    failing_storage.failing = set()
    takedown.delete_copies()

    assert waiting == 1
    assert not thumbnail.storage.exists(thumbnail.name)
    assert not Placement.objects.filter(has_copy_to_delete=True).exists()


def test_a_site_whose_object_cannot_be_saved_does_not_keep_the_image_up(committed: Any) -> None:
    asset = make_asset()
    product = placed_product(asset)
    storage, name = product.image.storage, str(product.image.name)

    def refuse(**_kwargs: Any) -> None:
        raise ValueError("the search index is away")

    pre_save.connect(refuse, sender=Product)
    try:
        with committed():
            cleared = takedown.withdraw(actor=REVIEWER, asset=asset)
    finally:
        pre_save.disconnect(refuse, sender=Product)

    product.refresh_from_db()
    assert (cleared, product.image.name, storage.exists(name)) == (1, "", False)
    assert not Placement.objects.active().exists()


def test_other_thumbnailers_are_told_which_copy_was_deleted(committed: Any) -> None:
    asset = make_asset()
    name = str(placed_product(asset).image.name)
    told: list[tuple[Any, Any]] = []

    def receive(*, asset_id: Any, name: str, **_others: Any) -> None:
        told.append((asset_id, name))
        raise RuntimeError("another thumbnailer is away")

    signals.copy_deleted.connect(receive)
    try:
        with committed():
            takedown.withdraw(actor=REVIEWER, asset=asset)
    finally:
        signals.copy_deleted.disconnect(receive)

    assert told == [(asset.pk, name)]


def test_a_picture_of_the_same_name_in_another_folder_is_left_alone(committed: Any) -> None:
    asset = make_asset()
    product = placed_product(asset)
    storage = product.image.storage
    other = storage.save("elsewhere/" + str(product.image.name), ContentFile(make_image()))

    with committed():
        takedown.withdraw(actor=REVIEWER, asset=asset)

    assert storage.exists(other)
    storage.delete(other)
