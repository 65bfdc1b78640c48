"""Define the engine protocol, and enqueue through the engine that the site configured."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from django.utils.module_loading import import_string

from imagegen_app import conf, database

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("imagegen.engines")

#: Dotted paths of what a wake-up runs, by name: functions without arguments that never raise.
TASK_PATHS = {
    "drive": "imagegen_app.tasks.run_drive",
    "sweep": "imagegen_app.tasks.run_sweep",
}
#: Dotted path of the function that a worker calls when asked to stop; without arguments.
DRAIN = "imagegen_app.tasks.drain"
#: Seconds that one provider call with its download may take: the HTTP client's own limit.
MAX_CALL_SECONDS = 960
#: Seconds beyond the longest drive before an engine ends it by force.
GRACE_SECONDS = 30
#: Seconds that one broker operation may take, so that a dead broker never blocks a request.
BROKER_TIMEOUT_SECONDS = 0.12
#: Seconds between two sweeps that a scheduler enqueues; each `imagegen_worker` also sweeps by itself.
SWEEP_SECONDS = 30


class EngineStopped(RuntimeError):
    """The engine's worker ended without being asked to stop."""


@dataclass(frozen=True, slots=True)
class SettingsIssue:
    """A problematic setting of the engine, and a hint how to correct it."""

    #: The part after `imagegen.` of the system check's id.
    check: str
    message: str
    hint: str


def max_drive_seconds() -> int:
    """Return the seconds that a drive may take: its time slice, its last call, and a grace period."""
    return conf.get().drive_seconds + MAX_CALL_SECONDS + GRACE_SECONDS


class Engine(Protocol):
    """A task queue that has a worker run a function soon."""

    #: Its name in the documentation.
    label: ClassVar[str]
    #: Whether a wake-up can be enqueued for a later moment.
    can_delay: ClassVar[bool]

    def enqueue(self, name: str, *, delay: float = 0) -> None:
        """Ask a worker to run the named function after `delay` seconds."""
        ...

    def check_settings(self, site: Any) -> list[SettingsIssue]:
        """Return what is wrong with the site's settings for the engine, without contacting a broker."""
        ...

    def ping(self) -> None:
        """Check within a time-out that the broker answers; raises its client's errors."""
        ...

    #: Whether a separate worker process runs the functions.
    has_worker: ClassVar[bool]
    #: Concurrent drives of one worker process by default; 1 if it supports no more.
    default_concurrency: ClassVar[int]

    def run_worker(self, *, stopping: Callable[[], None], drives: int) -> None:
        """Run a worker in this process until it is told to stop, and call `stopping` then.

        :raises EngineStopped: if it ends for another reason.
        """
        ...


@lru_cache(maxsize=4)
def _engine(path: str) -> Engine:
    engine: Engine = import_string(path)()
    return engine


def current() -> Engine:
    """Return the engine that the site configured."""
    return _engine(conf.get().engine)


def wake(name: str = "drive", *, delay: float = 0) -> None:
    """Enqueue when the running transaction commits; an error of the engine is logged, not raised."""
    database.on_commit(lambda: wake_now(name, delay=delay), robust=True)


def wake_now(name: str = "drive", *, delay: float = 0) -> None:
    """Enqueue at once; an error of the engine is logged, and the next sweep wakes instead."""
    try:
        current().enqueue(name, delay=delay)
    except Exception:
        logger.warning(
            "The engine could not be woken; the next sweep will try again.", exc_info=True
        )
