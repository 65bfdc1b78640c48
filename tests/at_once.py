"""Call several things at the same moment, each in a thread with a database connection of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from django.db import connection, connections

if TYPE_CHECKING:
    from collections.abc import Callable

#: A busy machine may need it all; threads that wait for each other stay until then.
_MOST_SECONDS = 240


def at_once(*calls: Callable[[], object]) -> list[BaseException]:
    """Begin all calls together, wait until all are through, and return what they raised."""
    together = threading.Barrier(len(calls), timeout=_MOST_SECONDS)
    raised: list[BaseException] = []

    def run(call: Callable[[], object]) -> None:
        try:
            connection.ensure_connection()
            together.wait()
            call()
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            raised.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(call,), daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_MOST_SECONDS)
    assert not any(thread.is_alive() for thread in threads), "some calls do not end"
    return raised
