"""Define what an engine is, and ring the one that the site chose."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Protocol

from django.db import transaction
from django.utils.module_loading import import_string

from imagegen_app import conf

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("imagegen.engines")

#: What a bell may wake, by name: dotted paths of argument-free functions that never raise.
BELLS = {
    "drive": "imagegen_app.tasks.run_drive",
    "sweep": "imagegen_app.tasks.run_sweep",
}


class Engine(Protocol):
    """A way to have a worker run something soon."""

    #: What the documentation calls it.
    label: ClassVar[str]
    #: Whether a bell can be rung for a later moment.
    can_delay: ClassVar[bool]

    def ring(self, name: str, *, delay: float = 0) -> None:
        """Ask that the named bell be answered after `delay` seconds."""
        ...

    #: Whether a worker runs apart.
    has_worker: ClassVar[bool]

    def run_worker(self, *, stopping: Callable[[], None]) -> None:
        """Run a worker in this process until it is told to stop, and call `stopping` then."""
        ...


@lru_cache(maxsize=4)
def _engine(path: str) -> Engine:
    engine: Engine = import_string(path)()
    return engine


def current() -> Engine:
    """Return the engine that the site chose."""
    return _engine(conf.get().engine)


def wake(name: str = "drive", *, delay: float = 0) -> None:
    """Ring when the running transaction commits; a dead engine never fails the request."""
    transaction.on_commit(lambda: ring_now(name, delay=delay), robust=True)


def ring_now(name: str = "drive", *, delay: float = 0) -> None:
    """Ring at once; whatever the engine throws is noted, and another ringer will do."""
    try:
        current().ring(name, delay=delay)
    except Exception:
        logger.warning("The engine could not be rung; the next sweep will.", exc_info=True)
