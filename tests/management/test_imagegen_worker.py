"""Test the start of a worker."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from imagegen_app.management.commands import imagegen_worker
from imagegen_app.services.foundation import wakeups, worker_registry
from imagegen_app.services.worker import driver

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db


class Engine:
    """An engine whose worker ends at once."""

    label, has_worker, default_concurrency = "test", True, 1

    def __init__(self) -> None:
        self.runs = 0

    def run_worker(self, *, stopping: Callable[[], None], drives: int) -> None:
        self.runs += 1


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine()
    monkeypatch.setattr(wakeups, "engine", lambda: engine)
    monkeypatch.setattr(imagegen_worker, "_sweep", lambda *_: None)
    monkeypatch.setattr(imagegen_worker, "_TRY_AGAIN_SECONDS", 0.0)
    # The command sets it when it ends: later tests claim jobs.
    monkeypatch.setattr(driver, "draining", threading.Event())
    return engine


def fail_to_register(monkeypatch: pytest.MonkeyPatch, when: Callable[[bool], bool]) -> None:
    register = worker_registry.record_heartbeat

    def record_heartbeat(*, name: str, stopped: bool = False) -> Any:
        if when(stopped):
            raise OperationalError("the server is\nrestarting")
        return register(name=name, stopped=stopped)

    monkeypatch.setattr(worker_registry, "record_heartbeat", record_heartbeat)


def test_a_worker_that_starts_waits_for_a_database_that_restarts(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answers = iter([True, True, False, False])
    fail_to_register(monkeypatch, lambda _: next(answers))

    call_command("imagegen_worker", verbosity=0)

    assert engine.runs == 1
    assert caplog.messages == ["The database is away (the server is); the worker waits for it."] * 2


def test_a_database_that_stays_away_ends_the_start(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imagegen_worker, "START_PATIENCE_SECONDS", 0.0)
    fail_to_register(monkeypatch, lambda _: True)

    with pytest.raises(CommandError, match="The database has been away"):
        call_command("imagegen_worker", verbosity=0)

    assert engine.runs == 0


def test_a_worker_ends_also_without_a_database(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail_to_register(monkeypatch, lambda stopped: stopped)

    call_command("imagegen_worker", verbosity=0)

    assert engine.runs == 1
    assert caplog.messages == ["The worker's end could not be recorded: the server is"]
