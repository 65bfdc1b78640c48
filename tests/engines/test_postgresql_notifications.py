"""A notification of PostgreSQL wakes the workers of other hosts; a connection that is lost heals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection, transaction

from imagegen_app.engines import postgresql_notifications as notifications
from imagegen_app.engines.waking import Alarm

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db(transaction=True)
CHANNEL = notifications.channel_for("tests")


class Time:
    """A clock that the test moves."""

    now = 100.0


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def listener(time: Time) -> Iterator[notifications.Listener]:
    if not notifications.is_supported("default"):
        pytest.skip("only PostgreSQL notifies")
    made = notifications.Listener(CHANNEL, using="default", clock=lambda: time.now)
    assert made.fileno() is not None
    yield made
    made.close()


def hears(listener: notifications.Listener) -> bool:
    """Wait until something arrives, which the server sends in its own time."""
    return Alarm([listener], interval=20).wait()


def end_listening_sessions() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE query LIKE 'LISTEN %' AND datname = current_database()"
        )


def test_a_notification_is_heard_after_the_commit(listener: notifications.Listener) -> None:
    with transaction.atomic():
        notifications.notify(CHANNEL, using="default")
        before = listener.drain()

    assert (before, hears(listener), listener.drain()) == (False, True, False)


def test_other_queues_are_not_heard(listener: notifications.Listener) -> None:
    notifications.notify(notifications.channel_for("another"), using="default")

    assert not listener.drain()


def test_a_connection_that_is_lost_is_opened_again_after_a_while(
    listener: notifications.Listener, time: Time
) -> None:
    end_listening_sessions()
    heard = hears(listener)
    while (at_once := listener.fileno()) is not None:
        # The server's last words came first, then the end of the connection.
        heard |= hears(listener)
    time.now += notifications.RECONNECT_SECONDS
    later = listener.fileno()
    notifications.notify(CHANNEL, using="default")

    assert (heard, at_once) == (False, None)
    assert later is not None
    assert hears(listener)
