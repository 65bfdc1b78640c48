"""What a withdrawal leaves to a worker happens, however the site's storages and its code behave."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from easy_thumbnails.files import get_thumbnailer
from filer.models import Image

from imagegen_app.core.actors import System
from imagegen_app.models import AuditEvent, OutboxEntry, Placement
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import cache_purge, storage
from imagegen_app.services.library import (
    copy_search,
    delivery,
    placement,
    review,
    takedown,
    withdrawal_tasks,
)
from imagegen_app.services.monitoring import withdrawal_status
from imagegen_app.services.worker import sweep
from imagegen_app.testing.factories import make_asset, make_image
from project import seed
from project.catalog.models import Product
from tests.services.library import site_caches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.failing_storage import FailingStorage

pytestmark = pytest.mark.django_db
REVIEWER = System("reviewer")


@pytest.fixture
def products() -> list[Product]:
    seed.create_catalog()
    return list(Product.objects.order_by("pk")[:4])


@pytest.fixture
def purging(settings: Any) -> Iterator[Any]:
    """Name the site's function for its caches."""
    site_caches.calls.clear()
    site_caches.released.clear()

    def use(name: str, **others: Any) -> None:
        path = f"{site_caches.__name__}.{name}" if name else ""
        settings.IMAGEGEN = {**django_settings.IMAGEGEN, "PURGE": path, **others}

    yield use
    site_caches.released.set()


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


# Copies that were uploaded by hand


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


# The site's caches


def test_the_sites_caches_are_given_every_address(
    products: list[Product], purging: Any, django_capture_on_commit_callbacks: Any
) -> None:
    purging("purge", PUBLIC_URL="https://shop.example")
    asset = make_asset()
    product = products[0]
    placement.attach(actor=REVIEWER, asset=asset, target=product, field="image")
    thumbnail = get_thumbnailer(product.image).get_thumbnail({"size": (20, 20)})
    copy = product.image.url

    with django_capture_on_commit_callbacks(execute=True):
        takedown.withdraw(actor=REVIEWER, asset=asset)
    sweep.sweep()

    given = {url for call in site_caches.calls for url in call}
    files: list[Any] = [asset, *asset.renditions.all()]
    wanted = [
        *(delivery.public_url(file) for file in files),
        copy,
        thumbnail.url,
        product.get_absolute_url(),
    ]
    assert {f"https://shop.example{url}" for url in wanted} - given == set()
    assert event_count("withdrawal.purged") == len(site_caches.calls) > 0
    assert withdrawal_status.outstanding(asset) == []


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("fail", "It failed with RuntimeError."),
        ("exit_process", "It failed with SystemExit."),
        ("hang", "The site's function did not return in time."),
        ("is_not_there", "IMAGEGEN['PURGE'] cannot be used; see manage.py check."),
    ],
)
def test_the_sites_code_never_breaks_a_withdrawal_and_is_called_until_it_works(
    purging: Any, monkeypatch: pytest.MonkeyPatch, name: str, problem: str
) -> None:
    monkeypatch.setattr(cache_purge.purge, "__kwdefaults__", {"seconds": 0.1})
    purging(name)
    asset = make_asset()

    takedown.withdraw(actor=REVIEWER, asset=asset)
    sweep.sweep()
    told = withdrawal_status.outstanding(asset)
    sweep.sweep()
    calls = len(site_caches.calls)
    site_caches.released.set()
    if cache_purge._hanging is not None:
        cache_purge._hanging.join(5)
    purging("purge")
    wait()
    sweep.sweep()

    asset.refresh_from_db()
    assert asset.review_state == "withdrawn"
    assert [(one.problem, one.failures) for one in told] == [(problem, 1)]
    assert "abc123" not in str(OutboxEntry.objects.values_list()) + problem
    # Not again before the pause is over.
    assert calls == (0 if name == "is_not_there" else 1)
    assert withdrawal_status.outstanding(asset) == []
    assert event_count("withdrawal.purged") == 1


def test_no_second_call_is_made_while_one_hangs(
    purging: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_purge.purge, "__kwdefaults__", {"seconds": 0.1})
    purging("hang")
    asset = make_asset()
    takedown.withdraw(actor=REVIEWER, asset=asset)
    sweep.sweep()
    wait()

    sweep.sweep()

    told = withdrawal_status.outstanding(asset)
    assert len(site_caches.calls) == 1
    assert [one.problem for one in told] == ["An earlier call of the site's function still runs."]


def test_the_pauses_between_tries_grow_and_end_at_an_hour(purging: Any) -> None:
    purging("fail")
    takedown.withdraw(actor=REVIEWER, asset=make_asset())
    pauses = []
    for _try in range(10):
        wait()
        withdrawal_tasks.run()
        entry = OutboxEntry.objects.get(kind="purge")
        pauses.append(round((entry.due_at - clock.now()).total_seconds()))

    assert pauses[:3] == [30, 60, 120]
    assert pauses[-1] == 3600


def test_a_site_without_caches_has_nothing_to_empty(purging: Any) -> None:
    purging("")
    asset = make_asset()

    takedown.withdraw(actor=REVIEWER, asset=asset)

    assert [entry.kind for entry in OutboxEntry.objects.all()] == ["copies"]


def test_shared_caches_may_keep_files_only_where_they_are_emptied(
    purging: Any, client: Any
) -> None:
    asset = make_asset()
    url = delivery.public_url(asset)

    headers = []
    for name in ("", "purge"):
        purging(name)
        answer = client.get(url)
        assert b"".join(answer.streaming_content)
        headers.append(answer.headers["Cache-Control"])

    assert headers == [
        "public, max-age=0, must-revalidate",
        "public, max-age=0, must-revalidate, s-maxage=300",
    ]
