"""The demo starts a dead worker again and says so, and gives up where that does not help."""

from __future__ import annotations

import subprocess
import sys

import pytest

from project.demo.supervision import MAX_RAPID_DEATHS, KeepsDying, Supervised


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def child(code: str, said: list[str], clock: Clock) -> Supervised:
    return Supervised(
        name="worker",
        start=lambda: subprocess.Popen([sys.executable, "-S", "-c", code]),
        say=said.append,
        remedy="Look at the log.",
        clock=clock,
    )


def die(worker: Supervised) -> None:
    worker.process.wait(timeout=180)
    worker.look()


def test_a_process_that_runs_is_left_alone() -> None:
    said: list[str] = []
    worker = child("import time; time.sleep(60)", said, Clock())
    first = worker.process

    worker.look()

    assert (worker.process, said) == (first, [])
    first.kill()
    first.wait()


def test_a_dead_process_is_started_again_after_a_growing_delay_and_told_of() -> None:
    said: list[str] = []
    clock = Clock()
    worker = child("raise SystemExit(3)", said, clock)

    die(worker)
    clock.now += 0.4
    worker.look()
    assert said == ["The worker died (with exit code 3); a new one starts in 0.5 s!"]
    clock.now += 0.2
    worker.look()
    die(worker)
    worker.process.wait(timeout=180)

    assert said[1:] == [
        "A new worker runs.",
        "The worker died (with exit code 3); a new one starts in 1 s!",
    ]


def test_a_killed_process_is_said_to_be_killed() -> None:
    said: list[str] = []
    worker = child("import time; time.sleep(60)", said, Clock())
    worker.process.kill()

    die(worker)

    assert "killed by SIGKILL" in said[0]


def test_a_process_that_keeps_dying_is_given_up_with_a_remedy() -> None:
    clock = Clock()
    worker = child("raise SystemExit(3)", [], clock)

    for _ in range(MAX_RAPID_DEATHS - 1):
        die(worker)
        clock.now += 8
        worker.look()

    with pytest.raises(KeepsDying, match=r"5 times within a minute.*Look at the log"):
        die(worker)


def test_deaths_far_apart_are_never_too_many() -> None:
    clock = Clock()
    worker = child("raise SystemExit(3)", [], clock)

    for _ in range(2 * MAX_RAPID_DEATHS):
        die(worker)
        clock.now += 61
        worker.look()
    worker.process.wait(timeout=180)
