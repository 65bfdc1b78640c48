"""Do what a withdrawal leaves to a worker: search for copies, and empty the site's caches."""

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
from imagegen_app.services.gateways import cache_purge
from imagegen_app.services.library import copy_search, placed_copies, takedown
from imagegen_app.services.monitoring import withdrawal_status

if TYPE_CHECKING:
    from imagegen_app.models import OutboxEntry

logger = logging.getLogger("imagegen.takedown")

KINDS = ("copies", "purge")
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
    return _search(entry, until)


def _search(entry: OutboxEntry, until: float) -> bool:
    if entry.asset.review_state != ReviewState.WITHDRAWN.value:
        # Approved again meanwhile.
        return outbox.finish(entry)
    try:
        progress = copy_search.search(entry.asset, entry.payload, until=until)
    except copy_search.StorageAway as away:
        outbox.postpone(entry, withdrawal_status.STORAGE_FAILED, payload=away.progress)
        progress = away.progress
    else:
        if progress is None:
            outbox.finish(entry)
        else:
            outbox.proceed(entry, progress)
    takedown.delete_copies()
    return progress is None


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
    event_log.record(
        placed_copies.TAKEDOWN,
        "withdrawal.purged",
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
