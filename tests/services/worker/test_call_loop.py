"""The call loop returns results to a driver whose waiting a signal may interrupt."""

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
    """Install a signal handler that runs longer than the driver waits for a result."""
    before = signal.signal(signal.SIGALRM, lambda *_: time.sleep(0.4))
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_slow_signal_does_not_make_the_wait_endless(slow_signal: None) -> None:
    with CallLoop() as loop:
        # If the time-out does not end the wait, this late result does, and the test fails.
        rescue = threading.Timer(60, loop.submit_work, args=("late", lambda: "late"))
        rescue.start()
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        result: Any = loop.next_result(wait=0.2)
        rescue.cancel()

    assert result is None


def test_urgent_work_runs_before_work_that_already_waits() -> None:
    started, may_end = threading.Event(), threading.Event()

    def busy() -> str:
        started.set()
        may_end.wait(60)
        return "busy"

    with CallLoop(byte_workers=1) as loop:
        loop.submit_work("busy", busy)
        started.wait(60)
        for n in range(3):
            loop.submit_work(f"batch {n}", lambda: None, rank=(0, 10 + n))
        loop.submit_work("editor", lambda: None, rank=(-5, 99))
        may_end.set()
        tags = [result.tag for _ in range(5) if (result := loop.next_result(wait=60))]

    assert tags == ["busy", "editor", "batch 0", "batch 1", "batch 2"]
