"""Define what an engine is, and enqueue through the one that the site chose."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from django.db import transaction
from django.utils.module_loading import import_string

from imagegen_app import conf

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("imagegen.engines")

#: What a wake-up may wake, by name: dotted paths of argument-free functions that never raise.
TASK_PATHS = {
    "drive": "imagegen_app.tasks.run_drive",
    "sweep": "imagegen_app.tasks.run_sweep",
}
#: What a worker that is asked to stop calls, wherever it was started; argument-free.
DRAIN = "imagegen_app.tasks.drain"
#: Seconds that one provider call with its download may take: the HTTP client's own limit.
MAX_CALL_SECONDS = 960
#: Seconds beyond the longest drive before an engine ends it by force.
GRACE_SECONDS = 30
#: Seconds that one conversation with a broker may take, so that a dead one never holds a request.
BROKER_TIMEOUT_SECONDS = 0.12
#: Seconds between two sweeps that a scheduler enqueues; each worker of ours sweeps beside it.
SWEEP_SECONDS = 30


class EngineStopped(RuntimeError):
    """The engine's worker ended although nobody asked it to."""


@dataclass(frozen=True, slots=True)
class SettingsIssue:
    """One setting of the engine's own that works against the app, and its remedy."""

    #: The part after `imagegen.` of the system check's id.
    check: str
    message: str
    hint: str


def max_drive_seconds() -> int:
    """Return the seconds that a drive may take: its slice, its last call, and some grace."""
    return conf.get().drive_seconds + MAX_CALL_SECONDS + GRACE_SECONDS


class Engine(Protocol):
    """A way to have a worker run something soon."""

    #: What the documentation calls it.
    label: ClassVar[str]
    #: Whether a wake-up can be enqueued for a later moment.
    can_delay: ClassVar[bool]

    def enqueue(self, name: str, *, delay: float = 0) -> None:
        """Ask a worker to run the named function after `delay` seconds."""
        ...

    def check_settings(self, site: Any) -> list[SettingsIssue]:
        """Return what is wrong with the site's settings for the engine; asks nobody."""
        ...

    def ping(self) -> None:
        """Ask the broker whether it is there, with every wait bounded; raises whatever it raises."""
        ...

    #: Whether a worker runs apart.
    has_worker: ClassVar[bool]
    #: How many drives one worker process runs side by side if nothing else is said; 1: never more.
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
    """Return the engine that the site chose."""
    return _engine(conf.get().engine)


def wake(name: str = "drive", *, delay: float = 0) -> None:
    """Enqueue when the running transaction commits; a dead engine never fails the request."""
    transaction.on_commit(lambda: wake_now(name, delay=delay), robust=True)


def wake_now(name: str = "drive", *, delay: float = 0) -> None:
    """Enqueue at once; whatever the engine raises is logged, and a later wake-up will do."""
    try:
        current().enqueue(name, delay=delay)
    except Exception:
        logger.warning(
            "The engine could not be woken; the next sweep will try again.", exc_info=True
        )
