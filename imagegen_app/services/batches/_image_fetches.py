"""Keep the images that a thread of this worker fetches for the next rows of its batches.

A worker does not wait for the servers of strangers: it goes on with other batches and jobs, and comes
back for the rows once their images are there. Nothing is lost with it: another worker fetches anew.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from imagegen_app.services.gateways.remote_pictures import FetchedPictures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from imagegen_app.services.gateways.remote_pictures import Fetched

#: How long a worker waits for images that come quickly, in seconds.
WAIT_SECONDS: Final = 0.5
#: Batches whose images are fetched at once.
_MOST: Final = 4

_lock: Final = threading.Lock()
_fetches: Final[dict[UUID, FetchedPictures]] = {}


class NotThereYet(RuntimeError):
    """The images of the batch's next rows are being fetched, or wait for their turn."""


def fetched(batch: UUID, urls: Sequence[str]) -> dict[str, Fetched]:
    """Return what became of these addresses of a batch's next rows; begin to fetch them if need be.

    :raises NotThereYet: if that is not known yet.
    """
    if not urls:
        return {}
    with _lock:
        fetch = _fetches.get(batch)
        if fetch is not None and not set(urls) <= set(fetch.urls):
            # Of rows that another worker has taken meanwhile.
            _fetches.pop(batch).close()
            fetch = None
        if fetch is None:
            if len(_fetches) >= _MOST and not _make_room():
                raise NotThereYet
            fetch = _fetches[batch] = FetchedPictures.begin(urls)
    try:
        results = fetch.results(seconds=WAIT_SECONDS)
    except Exception:
        # Begun anew when somebody continues: a full disk, say, must not be told for ever.
        forget(batch)
        raise
    if results is None:
        raise NotThereYet
    return results


def forget(batch: UUID) -> None:
    """Delete the files of a batch's images, once they are used or nobody wants them any more."""
    with _lock:
        fetch = _fetches.pop(batch, None)
    if fetch is not None:
        fetch.close()


def _make_room() -> bool:
    """Give up images that are there and that nobody has come for, such as those of a paused batch."""
    done = [key for key, fetch in _fetches.items() if fetch.is_done]
    for key in done[:1]:
        _fetches.pop(key).close()
    return bool(done)
