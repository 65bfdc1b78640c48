"""The loop hands outcomes to a driver that signals may interrupt."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.services.worker._call_loop import CallLoop

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def slow_signal() -> Iterator[None]:
    """A signal whose handler takes longer than the driver waits, as a worker's stop may."""
    before = signal.signal(signal.SIGALRM, lambda *_: time.sleep(0.4))
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_slow_signal_does_not_make_the_wait_endless(slow_signal: None) -> None:
    with CallLoop() as loop:
        # An outcome that comes much later ends the wait where the time-out does not.
        rescue = threading.Timer(5, loop.submit_work, args=("late", lambda: "late"))
        rescue.start()
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        done: Any = loop.next_result(wait=0.2)
        rescue.cancel()

    assert done is None


def test_what_is_urgent_goes_before_what_waits_already() -> None:
    begun, free = threading.Event(), threading.Event()

    def busy() -> str:
        begun.set()
        free.wait(5)
        return "busy"

    with CallLoop(byte_workers=1) as loop:
        loop.submit_work("busy", busy)
        begun.wait(5)
        for n in range(3):
            loop.submit_work(f"batch {n}", lambda: None, rank=(0, 10 + n))
        loop.submit_work("editor", lambda: None, rank=(-5, 99))
        free.set()
        tags = [done.tag for _ in range(5) if (done := loop.next_result(wait=5))]

    assert tags == ["busy", "editor", "batch 0", "batch 1", "batch 2"]
