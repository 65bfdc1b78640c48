"""Copies of a withdrawn image are found in the site's own fields, and taken back."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from easy_thumbnails.files import get_thumbnailer
from filer.models import Image

from imagegen_app.core.actors import System
from imagegen_app.models import AuditEvent, OutboxEntry, Placement
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import storage
from imagegen_app.services.library import (
    copy_search,
    placement,
    review,
    takedown,
)
from imagegen_app.services.monitoring import withdrawal_status
from imagegen_app.services.worker import sweep
from imagegen_app.testing.factories import make_asset, make_image
from project.catalog.models import Product

if TYPE_CHECKING:
    from tests.failing_storage import FailingStorage

pytestmark = pytest.mark.django_db
REVIEWER = System("reviewer")


@use_case(audited=False)
def wait() -> None:
    """Let the pause after a failure pass."""
    OutboxEntry.objects.update(due_at=clock.now() - timedelta(seconds=1))


def upload(product: Product, data: bytes) -> str:
    """Store a file in a product's field, as a form does."""
    product.image.save("holiday.png", ContentFile(data))
    return str(product.image.name)


def event_count(kind: str) -> int:
    return int(AuditEvent.objects.filter(type=kind).count())


@pytest.mark.parametrize("which", ["published file", "original", "rendition"])
def test_a_copy_uploaded_by_hand_is_found_by_its_hash(products: list[Product], which: str) -> None:
    asset = make_asset()
    keys = {
        "published file": asset.storage_key,
        "original": asset.original_storage_key,
        "rendition": asset.renditions.get(format="jpeg", width=32).storage_key,
    }
    product = products[2]
    name = upload(product, storage.get(keys[which]))
    thumbnail = get_thumbnailer(product.image).get_thumbnail({"size": (20, 20)})
    kept = upload(products[3], make_image())
    takedown.withdraw(actor=REVIEWER, asset=asset)

    sweep.sweep()

    files = product.image.storage
    product.refresh_from_db()
    products[3].refresh_from_db()
    assert (product.image.name, files.exists(name)) == ("", False)
    assert not thumbnail.storage.exists(thumbnail.name)
    assert (products[3].image.name, files.exists(kept)) == (kept, True)
    assert (event_count("placement.found"), event_count("placement.removed")) == (1, 1)
    assert AuditEvent.objects.get(type="withdrawal.searched").asset_id == asset.pk
    assert not OutboxEntry.objects.exists()


def test_a_copy_uploaded_to_filer_is_found_with_its_thumbnails() -> None:
    asset = make_asset()
    data = storage.get(asset.storage_key)
    image = Image.objects.create(original_filename="a.png", file=ContentFile(data, "a.png"))
    thumbnail = image.file.get_thumbnail({"size": (20, 20)})
    files = [(image.file.storage, image.file.name), (thumbnail.storage, thumbnail.name)]
    takedown.withdraw(actor=REVIEWER, asset=asset)

    sweep.sweep()

    assert [store.exists(name) for store, name in files] == [False, False]
    assert Image.objects.get(pk=image.pk).file.name in ("", None)


def test_copies_that_no_field_holds_any_more_are_deleted(products: list[Product]) -> None:
    asset, second = make_asset(), make_asset()
    ended, replaced = products[:2]
    for product in (ended, replaced):
        placement.attach(actor=REVIEWER, asset=asset, target=product, field="image")
    names = [str(product.image.name) for product in (ended, replaced)]
    files = ended.image.storage
    placement.detach(actor=REVIEWER, placement=Placement.objects.get(object_id=str(ended.pk)))
    placement.attach(actor=REVIEWER, asset=second, target=replaced, field="image")
    before = [files.exists(name) for name in names]
    takedown.withdraw(actor=REVIEWER, asset=asset)

    sweep.sweep()

    replaced.refresh_from_db()
    assert before == [True, True]
    assert [files.exists(name) for name in names] == [False, False]
    assert files.exists(str(replaced.image.name))


def test_a_second_object_with_the_same_file_is_cleared_too(
    products: list[Product], django_capture_on_commit_callbacks: Any
) -> None:
    asset = make_asset()
    placement.attach(actor=REVIEWER, asset=asset, target=products[0], field="image")
    Product.objects.filter(pk=products[1].pk).update(image=products[0].image.name)

    with django_capture_on_commit_callbacks(execute=True):
        takedown.withdraw(actor=REVIEWER, asset=asset)
    sweep.sweep()

    products[1].refresh_from_db()
    assert products[1].image.name == ""


def test_a_file_that_another_approved_image_shares_stays(products: list[Product]) -> None:
    asset = make_asset()
    twin = make_asset(sha256=asset.sha256, storage_key=asset.storage_key)
    name = upload(products[0], storage.get(asset.storage_key))
    takedown.withdraw(actor=REVIEWER, asset=asset)

    sweep.sweep()

    products[0].refresh_from_db()
    assert (twin.review_state, products[0].image.name) == ("approved", name)


def test_a_search_goes_on_where_it_stopped(
    products: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = make_asset()
    data = storage.get(asset.storage_key)
    for product in products:
        upload(product, data)
    takedown.withdraw(actor=REVIEWER, asset=asset)
    match = copy_search._match
    moments = SimpleNamespace(monotonic=lambda: 0.0)
    monkeypatch.setattr(copy_search, "time", moments)

    def slow_match(*arguments: Any) -> Any:
        moments.monotonic = lambda: 2.0
        return match(*arguments)

    monkeypatch.setattr(copy_search, "_match", slow_match)
    progress: dict[str, Any] | None = {}
    rounds = 0
    while progress is not None and rounds < 50:
        moments.monotonic = lambda: 0.0
        progress = copy_search.search(asset, progress, until=1.0)
        rounds += 1

    assert rounds == len(products)
    assert {p.image.name for p in Product.objects.filter(pk__in=[p.pk for p in products])} == {""}
    assert event_count("placement.found") == len(products)


def test_a_storage_that_fails_is_searched_later(
    products: list[Product], failing_storage: type[FailingStorage]
) -> None:
    asset = make_asset()
    upload(products[0], storage.get(asset.storage_key))
    takedown.withdraw(actor=REVIEWER, asset=asset)
    failing_storage.failing = {"size"}

    sweep.sweep()
    told = withdrawal_status.outstanding(asset)
    failing_storage.failing = set()
    wait()
    sweep.sweep()

    products[0].refresh_from_db()
    assert [(one.kind, one.problem) for one in told] == [
        ("copies", "A storage of the site's files failed.")
    ]
    assert products[0].image.name == ""
    assert withdrawal_status.outstanding(asset) == []


def test_one_unreadable_file_hides_no_copy_behind_it(
    products: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = make_asset()
    data = storage.get(asset.storage_key)
    broken = upload(products[0], data)
    upload(products[1], data)
    takedown.withdraw(actor=REVIEWER, asset=asset)
    match = copy_search._match

    def match_all_but_one(file: Any, known: Any) -> Any:
        if file.name == broken:
            raise storage.StorageFailed("no access to this one")
        return match(file, known)

    monkeypatch.setattr(copy_search, "_match", match_all_but_one)
    sweep.sweep()
    products[0].refresh_from_db()
    products[1].refresh_from_db()
    held = [bool(products[0].image), bool(products[1].image)]
    monkeypatch.setattr(copy_search, "_match", match)
    wait()
    sweep.sweep()
    products[0].refresh_from_db()

    assert held == [True, False]
    assert not products[0].image
    assert withdrawal_status.outstanding(asset) == []


def test_copies_uploaded_after_the_withdrawal_are_found_by_the_command(
    products: list[Product],
) -> None:
    assets = [make_asset(), make_asset()]
    for asset in assets:
        takedown.withdraw(actor=REVIEWER, asset=asset)
    sweep.sweep()
    for product, asset in zip(products, [*assets, make_asset()], strict=False):
        upload(product, storage.get(asset.renditions.earliest("pk").storage_key))
    files, names = products[0].image.storage, [str(p.image.name) for p in products[:3]]

    out = io.StringIO()
    call_command("imagegen_find_copies", "--json", stdout=out)

    again = io.StringIO()
    call_command("imagegen_find_copies", "--json", stdout=again)

    assert json.loads(out.getvalue()) == {"found": 2, "not_deleted_yet": 0}
    assert json.loads(again.getvalue()) == {"found": 0, "not_deleted_yet": 0}
    assert event_count("placement.found") == 2
    assert [files.exists(name) for name in names] == [False, False, True]
    fields = [Product.objects.get(pk=product.pk).image.name for product in products[:3]]
    assert fields == ["", "", names[2]]


def test_the_command_fails_while_a_storage_cannot_be_searched(
    products: list[Product], failing_storage: type[FailingStorage]
) -> None:
    asset = make_asset()
    takedown.withdraw(actor=REVIEWER, asset=asset)
    upload(products[0], storage.get(asset.storage_key))
    failing_storage.failing = {"size"}

    with pytest.raises(CommandError, match="run the command again"):
        call_command("imagegen_find_copies", "--json", stdout=io.StringIO())


def test_an_image_approved_again_meanwhile_keeps_its_copies(products: list[Product]) -> None:
    asset = make_asset()
    takedown.withdraw(actor=REVIEWER, asset=asset)
    review.approve(actor=REVIEWER, asset=asset)
    name = upload(products[0], storage.get(asset.storage_key))

    sweep.sweep()

    products[0].refresh_from_db()
    assert products[0].image.name == name
    assert not OutboxEntry.objects.exists()
