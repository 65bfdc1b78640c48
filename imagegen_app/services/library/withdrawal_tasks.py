"""Do what withdrawals and erasures leave to a worker: search for copies, and empty caches."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.utils import translation

from imagegen_app import conf
from imagegen_app.core.states import ReviewState
from imagegen_app.models import Placement
from imagegen_app.services.foundation import event_log, outbox
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import cache_purge, storage
from imagegen_app.services.library import (
    closed_assets,
    copy_search,
    former_copies,
    placed_copies,
    takedown,
)
from imagegen_app.services.monitoring import withdrawal_status

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.models import OutboxEntry

logger = logging.getLogger("imagegen.takedown")

KINDS = ("close", "copies", "former", "delete", "purge")
#: For how long one sweep searches; the next one goes on.
SECONDS = 15.0


def run(*, seconds: float = SECONDS) -> int:
    """Work on what is outstanding for about so many seconds; return how many entries were done."""
    until = time.monotonic() + seconds
    done = 0
    while time.monotonic() < until:
        entry = outbox.claim(KINDS)
        if entry is None:
            break
        try:
            done += _work(entry, until)
        except Exception as error:  # noqa: BLE001 - one entry must not keep the others waiting
            logger.warning("What a withdrawal left to do failed: %s", type(error).__name__)
            outbox.postpone(entry, type(error).__name__)
    return done


def _work(entry: OutboxEntry, until: float) -> bool:
    if entry.kind == "purge":
        return _purge(entry)
    if entry.kind == "close":
        return _close(entry)
    if entry.kind == "delete":
        return _delete(entry)
    if entry.kind == "former":
        return _search(entry, copy_search.replace_former, until)
    if entry.asset.review_state != ReviewState.WITHDRAWN.value:
        # Approved again meanwhile.
        return outbox.finish(entry)
    is_over = _search(entry, copy_search.search, until)
    takedown.delete_copies()
    return is_over


def _search(entry: OutboxEntry, search: Callable[..., dict[str, Any] | None], until: float) -> bool:
    try:
        progress = search(entry.asset, entry.payload, until=until)
    except copy_search.StorageAway as away:
        outbox.postpone(entry, withdrawal_status.STORAGE_FAILED, payload=away.progress)
        return False
    if progress is None:
        return outbox.finish(entry)
    outbox.proceed(entry, progress)
    return False


def _delete(entry: OutboxEntry) -> bool:
    try:
        former_copies.delete(entry)
    except storage.StorageFailed:
        outbox.postpone(entry, withdrawal_status.STORAGE_FAILED)
        return False
    return outbox.finish(entry)


def _close(entry: OutboxEntry) -> bool:
    try:
        closed_assets.remove(entry.asset)
    except storage.StorageFailed:
        outbox.postpone(entry, withdrawal_status.STORAGE_FAILED)
        return False
    return outbox.finish(entry)


def _purge(entry: OutboxEntry) -> bool:
    if not cache_purge.is_configured():
        # The site has no such cache any more.
        return outbox.finish(entry)
    urls = _urls(entry.payload)
    try:
        for start in range(0, len(urls), cache_purge.MAX_URLS):
            cache_purge.purge(urls[start : start + cache_purge.MAX_URLS])
    except cache_purge.PurgeFailed as failed:
        outbox.postpone(entry, failed.code)
        return False
    return _record_purge(entry, len(urls))


@use_case()
def _record_purge(entry: OutboxEntry, count: int) -> bool:
    if not outbox.finish(entry):
        return False
    is_erasure = entry.payload.get("cause") == "erasure"
    event_log.record(
        former_copies.ERASURE if is_erasure else placed_copies.TAKEDOWN,
        "privacy.purged" if is_erasure else "withdrawal.purged",
        subject=entry.asset,
        job=entry.asset.job,
        asset=entry.asset,
        data={"count": count},
    )
    return True


def _urls(payload: dict[str, Any]) -> list[str]:
    """Return the URLs of files, and of the pages on which the image was placed, once each."""
    urls = [str(url) for url in payload.get("urls", [])]
    placements = Placement.objects.filter(pk__in=payload.get("placements", []))
    for placed in placements.select_related("content_type").order_by("pk"):
        urls += _page_urls(placed)
    return list(dict.fromkeys(cache_purge.absolute(url) for url in urls))


def _page_urls(placed: Placement) -> list[str]:
    """Return the URLs of the content that held the image, in each language of the site."""
    target = placed.target
    find: Any = getattr(target, "get_absolute_url", None)
    found: list[str] = []
    if find is None:
        return found
    for language in conf.language_codes():
        # The site's own code, which may raise anything.
        with translation.override(language), suppress(Exception):
            found.append(str(find() or ""))
    return [url for url in found if url]
