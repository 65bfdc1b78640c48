"""A worker is woken by a socket of its host or a notification, and else looks once a second."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction

from imagegen_app.engines import local_sockets, postgresql_notifications
from imagegen_app.engines.django_tasks import DjangoTasksEngine
from imagegen_app.engines.waking import MIN_SECONDS_BETWEEN_LOOKS, Alarm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now, self.slept = 100.0, 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return local_sockets.folder_for_host(tmp_path / "state")


@pytest.fixture
def listener(folder: Path) -> Iterator[local_sockets.Listener]:
    made = local_sockets.Listener(folder)
    yield made
    made.close()


def alarm(*listeners: Any, time: Time | None = None, interval: float = 60) -> Alarm:
    moved = time or Time()
    return Alarm(listeners, interval=interval, clock=lambda: moved.now, sleep=moved.sleep)


def test_a_wake_up_ends_the_wait_at_once(folder: Path, listener: local_sockets.Listener) -> None:
    woken = local_sockets.ring(folder)

    assert woken == 1
    assert alarm(listener).wait()


def test_without_a_wake_up_the_worker_looks_after_the_interval(
    listener: local_sockets.Listener,
) -> None:
    assert not alarm(listener, interval=0).wait()


def test_every_worker_of_the_host_is_woken(folder: Path) -> None:
    listeners = [local_sockets.Listener(folder) for _ in range(3)]

    assert local_sockets.ring(folder) == 3
    assert [one.drain() for one in listeners] == [True] * 3
    for one in listeners:
        one.close()
    assert list(folder.iterdir()) == []


def test_many_wake_ups_are_one_and_never_block_the_sender(
    folder: Path, listener: local_sockets.Listener
) -> None:
    # More than any system keeps for a socket.
    assert {local_sockets.ring(folder) for _ in range(2000)} == {1}

    assert alarm(listener).wait()
    assert not alarm(listener, interval=0).wait()


def test_a_flood_of_wake_ups_makes_a_worker_look_at_most_fifty_times_a_second(
    folder: Path, listener: local_sockets.Listener
) -> None:
    time = Time()
    waiting = alarm(listener, time=time)
    for _ in range(100):
        local_sockets.ring(folder)
        assert waiting.wait()

    assert time.slept == pytest.approx(99 * MIN_SECONDS_BETWEEN_LOOKS)


def test_the_socket_of_a_killed_worker_is_removed(folder: Path) -> None:
    worker = os.fork()
    if worker == 0:
        local_sockets.Listener(folder)
        # As after SIGKILL: nothing is closed in order.
        os._exit(0)
    os.waitpid(worker, 0)
    left = len(list(folder.iterdir()))

    assert (left, local_sockets.ring(folder)) == (1, 0)
    assert list(folder.iterdir()) == []


def test_a_file_that_is_no_socket_stays(folder: Path, listener: local_sockets.Listener) -> None:
    other = folder / "notes.socket"
    other.write_text("mine")

    assert local_sockets.ring(folder) == 1
    assert other.read_text() == "mine"


def test_a_forked_copy_leaves_the_socket_of_its_worker(
    folder: Path, listener: local_sockets.Listener
) -> None:
    child = os.fork()
    if child == 0:
        listener.close()
        os._exit(0)
    os.waitpid(child, 0)

    assert local_sockets.ring(folder) == 1
    assert listener.drain()


def test_the_folder_belongs_to_its_owner_alone_and_says_nothing(
    folder: Path, listener: local_sockets.Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An address may not be as long as the folders of tests are.
    monkeypatch.chdir(folder)
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as eavesdropper:
        eavesdropper.bind("other.socket")
        local_sockets.ring(folder)

        assert eavesdropper.recv(100) == b"1"


def test_a_long_path_is_no_hindrance(tmp_path: Path) -> None:
    deep = tmp_path / ("state" * 20) / ("folder" * 20)
    listener = local_sockets.Listener(deep)

    assert local_sockets.ring(deep) == 1
    assert listener.drain()
    listener.close()


def test_without_a_folder_that_can_be_written_the_worker_waits_for_the_interval(
    tmp_path: Path,
) -> None:
    (tmp_path / "state").write_text("a file in its place")
    folder = local_sockets.folder_for_host(tmp_path / "state")
    listener = local_sockets.Listener(folder)
    time = Time()

    assert listener.fileno() is None
    assert local_sockets.ring(folder) == 0
    assert not alarm(listener, time=time, interval=1).wait()
    assert time.slept == 1
    listener.close()


def test_a_task_for_later_ends_the_wait_when_it_is_due() -> None:
    time = Time()
    waiting = alarm(time=time, interval=1)
    waiting.set(2.5)
    waiting.set(1.25)

    waits = []
    for _ in range(4):
        before = time.now
        waiting.wait()
        waits.append(time.now - before)

    assert waits == [1, 0.25, 1, 0.25]


@pytest.mark.django_db(transaction=True)
def test_enqueuing_wakes_the_workers_after_the_commit(settings: Any, tmp_path: Path) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "STATE_DIR": tmp_path}
    listener = local_sockets.Listener(local_sockets.folder_for_host(tmp_path))
    engine = DjangoTasksEngine()

    with transaction.atomic():
        engine.enqueue("drive")
        before = listener.drain()

    assert (before, listener.drain()) == (False, True)
    # One waits already: no second task, but a second wake-up, in case that the first was lost.
    engine.enqueue("drive")
    assert listener.drain()
    engine.enqueue("drive", delay=30)
    assert not listener.drain()
    listener.close()


def test_a_channel_is_an_identifier_whatever_the_queue_is_called() -> None:
    names = {postgresql_notifications.channel_for(name) for name in ("a", "b", "Ünï" * 200)}

    assert len(names) == 3
    assert all(name.isascii() and name.replace("_", "").isalnum() for name in names)
    assert all(len(name) < 63 for name in names)


def test_other_databases_notify_nobody() -> None:
    if connection.vendor == "postgresql":
        pytest.skip("this run is on PostgreSQL")

    assert not postgresql_notifications.is_supported("default")
