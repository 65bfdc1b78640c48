"""Copies of what an image's files were before an erasure are found, wherever people put them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from easy_thumbnails.files import get_thumbnailer

from imagegen_app.models import OutboxEntry, Placement
from imagegen_app.services.erasure import commands, scopes
from imagegen_app.services.gateways import resigning, storage
from imagegen_app.services.library import delivery, placement, review, takedown
from imagegen_app.services.monitoring import withdrawal_status
from imagegen_app.services.policy import access
from imagegen_app.services.worker import sweep
from imagegen_app.testing.factories import make_user
from project.catalog.models import Product
from tests import arranged_rows
from tests.services.erasure.test_files import PROMPT, made, officer, telling
from tests.services.library import site_caches
from tests.services.library.test_copy_search import REVIEWER, event_count, upload, wait
from tests.services.library.test_withdrawal_tasks import purging

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from imagegen_app.models import Asset
    from tests.failing_storage import FailingStorage
    from tests.services.conftest import Site

__all__ = ["officer", "purging", "telling"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def approved(telling: Site) -> Asset:
    asset = made(telling)
    review.approve(actor=access.actor_for(make_user("boss", is_superuser=True)), asset=asset)
    return asset


def product() -> Product:
    arranged_rows.products()
    return Product.objects.earliest("pk")


def erase(officer: Person, asset: Asset) -> None:
    commands.erase(officer, scopes.job_scope(asset.job), reason="asked")
    asset.refresh_from_db()


@pytest.mark.parametrize("which", ["master", "rendition"])
def test_a_copy_uploaded_by_hand_is_replaced(approved: Asset, officer: Person, which: str) -> None:
    rendition = approved.renditions.get(format="jpeg")
    key = approved.storage_key if which == "master" else rendition.storage_key
    held = product()
    former = upload(held, storage.get(key))
    thumbnail = get_thumbnailer(held.image).get_thumbnail({"size": (20, 20)})
    erase(officer, approved)
    (entry,) = OutboxEntry.objects.all()
    assert entry.kind == "former"

    sweep.sweep()
    sweep.sweep()

    held.refresh_from_db()
    rendition.refresh_from_db()
    files = held.image.storage
    present = approved.sha256 if which == "master" else rendition.sha256
    with held.image.open() as file:
        data = file.read()
    assert storage.file_hash(data) == present
    assert not resigning.has_text(data, [PROMPT])
    assert (files.exists(former), thumbnail.storage.exists(thumbnail.name)) == (False, False)
    placed = Placement.objects.get()
    assert (placed.asset, placed.placed_value) == (approved, held.image.name)
    assert event_count("placement.found") == event_count("placement.rewritten") == 1
    assert event_count("privacy.copies_searched") == 1
    assert not OutboxEntry.objects.exists()


def test_a_storage_that_fails_is_asked_again(
    failing_storage: type[FailingStorage], approved: Asset, officer: Person
) -> None:
    held = product()
    former = upload(held, storage.get(approved.storage_key))
    erase(officer, approved)

    failing_storage.failing = {"size"}
    sweep.sweep()
    waiting = withdrawal_status.outstanding(approved)
    failing_storage.failing = set()
    wait()
    sweep.sweep()
    sweep.sweep()

    held.refresh_from_db()
    assert [(one.kind, one.failures) for one in waiting] == [("former", 1)]
    assert waiting[0].problem == "A storage of the site's files failed."
    assert not held.image.storage.exists(former)
    assert not OutboxEntry.objects.exists()


def test_a_withdrawal_finds_a_copy_of_what_the_file_was(approved: Asset, officer: Person) -> None:
    former = storage.get(approved.storage_key)
    erase(officer, approved)
    sweep.sweep()
    # Uploaded only now, by somebody who had saved the file before.
    held = product()
    name = upload(held, former)

    takedown.withdraw(actor=REVIEWER, asset=approved)
    sweep.sweep()

    held.refresh_from_db()
    assert (held.image.name, held.image.storage.exists(name)) == ("", False)


def test_the_caches_drop_the_former_files_and_the_pages_that_show_them(
    approved: Asset, officer: Person, purging: Any
) -> None:
    marks = django_settings.IMAGEGEN["MARKS"]
    purging("purge", PUBLIC_URL="https://shop.example", MARKS=marks)
    held, boss = product(), access.actor_for(make_user("bea", is_superuser=True))
    placement.attach(actor=boss, asset=approved, target=held, field="image")
    thumbnail = get_thumbnailer(held.image).get_thumbnail({"size": (20, 20)})
    files: list[Any] = [approved, *approved.renditions.all()]
    wanted = [
        *(delivery.public_url(file) for file in files),
        held.image.url,
        thumbnail.url,
        held.get_absolute_url(),
    ]

    erase(officer, approved)
    sweep.sweep()

    given = {url for call in site_caches.calls for url in call}
    assert {f"https://shop.example{url}" for url in wanted} - given == set()
    assert event_count("privacy.purged") == len(site_caches.calls) > 0
    assert event_count("withdrawal.purged") == 0
    assert withdrawal_status.outstanding(approved) == []
