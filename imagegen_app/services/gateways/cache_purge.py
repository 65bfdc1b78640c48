"""Call the site's own function that empties its caches, which may fail in any way, or never return.

Whoever changes what is public plans a purge in the same transaction; a worker makes the call.
"""

from __future__ import annotations

import inspect
import logging
from threading import Lock, Thread
from typing import TYPE_CHECKING, Literal

from django.db import connections

from imagegen_app import conf
from imagegen_app.providers import configured_code
from imagegen_app.providers.configured_code import CodeUnusable
from imagegen_app.services.foundation import outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from imagegen_app.models import Asset, Placement

logger = logging.getLogger("imagegen.purge")

#: For how long a call is waited for; a purge is one request to a cache.
PURGE_SECONDS = 20.0
#: Addresses in one call: caches limit how many they take at once.
MAX_URLS = 500
NO_ANSWER = "no_answer"
STILL_RUNNING = "still_running"
UNUSABLE = "unusable"

_lock = Lock()
#: The call that did not end in time; while it runs, no other is made by this process.
_hanging: Thread | None = None


class PurgeFailed(Exception):
    """The site's function failed; `code` says how: a code of this module, or the error's class."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def is_configured() -> bool:
    """Return whether the site has named a function that empties its caches."""
    return bool(conf.get().purge)


def plan(
    asset: Asset,
    key: str,
    *,
    urls: Iterable[str],
    placements: Iterable[Placement] = (),
    cause: Literal["withdrawal", "erasure"] = "withdrawal",
) -> None:
    """Have a worker empty the caches of these URLs and of the pages of the placements, once a key.

    Nothing is planned if the site has named no function. `key` says of which asset what is purged.
    """
    if is_configured():
        outbox.add(
            "purge",
            f"purge:{asset.pk}:{key}",
            asset=asset,
            payload={
                "cause": cause,
                "urls": [url for url in urls if url],
                "placements": [placed.pk for placed in placements],
            },
        )


def purge(urls: Sequence[str], *, seconds: float = PURGE_SECONDS) -> None:
    """Have the site's function remove these URLs from its caches.

    It runs in a thread of its own, which is left behind if it does not return in time. What an
    error of it says is not kept: it may hold a key.

    :raises PurgeFailed: if it cannot be called, raises anything or does not return in time.
    """
    global _hanging  # noqa: PLW0603 - one call of the site's code hangs at most
    with _lock:
        if _hanging is not None and _hanging.is_alive():
            raise PurgeFailed(STILL_RUNNING)
        _hanging = None
        failure: list[str] = []
        try:
            function = _load()
        except CodeUnusable:
            raise PurgeFailed(UNUSABLE) from None
        thread = Thread(
            target=_call, args=(function, list(urls), failure), name="imagegen-purge", daemon=True
        )
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            _hanging = thread
            raise PurgeFailed(NO_ANSWER)
    if failure:
        raise PurgeFailed(failure[0])


def absolute(url: str) -> str:
    """Return a path as a URL of the site, where its public URL is known; other URLs as they are."""
    base = conf.get().public_url.rstrip("/")
    return f"{base}{url}" if url.startswith("/") and not url.startswith("//") else url


def require_callable(path: str) -> None:
    """Require that a path names a function that takes a list of URLs, and is not a coroutine.

    :raises CodeUnusable: if it does not.
    """
    function = configured_code.load(path)
    if not callable(function):
        raise CodeUnusable("it is not callable")
    if inspect.iscoroutinefunction(function):
        raise CodeUnusable("it is asynchronous")
    configured_code.require_arguments(function, 1)


def _load() -> Callable[[list[str]], object]:
    path = conf.get().purge
    require_callable(path)
    found: Callable[[list[str]], object] = configured_code.load(path)
    return found


def _call(function: Callable[[list[str]], object], urls: list[str], failure: list[str]) -> None:
    try:
        function(urls)
    except BaseException as error:  # noqa: BLE001 - the site's code may raise anything
        logger.warning("The site's function for its caches failed: %s", type(error).__name__)
        failure.append(type(error).__name__)
    finally:
        # Connections belong to the thread that opened them.
        connections.close_all()
