"""What a withdrawal leaves to a worker happens, however the site's code behaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from easy_thumbnails.files import get_thumbnailer

from imagegen_app.core.actors import System
from imagegen_app.models import OutboxEntry
from imagegen_app.services.foundation import clock
from imagegen_app.services.gateways import cache_purge
from imagegen_app.services.library import (
    delivery,
    placement,
    takedown,
    withdrawal_tasks,
)
from imagegen_app.services.monitoring import withdrawal_status
from imagegen_app.services.worker import sweep
from imagegen_app.testing.factories import make_asset
from project.catalog.models import Product
from tests.services.library import site_caches
from tests.services.library.test_copy_search import event_count, wait

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = pytest.mark.django_db
REVIEWER = System("reviewer")


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
