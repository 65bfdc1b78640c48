"""Ring the engine for those that may not reach it."""

from __future__ import annotations

from imagegen_app.engines import base
from imagegen_app.engines.base import Engine


def ring(name: str, *, delay: float = 0) -> None:
    """Ring at once, in `delay` seconds where the engine can."""
    if delay and not base.current().can_delay:
        return
    base.ring_now(name, delay=delay)


def engine() -> Engine:
    """Return the engine that the site chose."""
    return base.current()
