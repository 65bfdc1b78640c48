"""Frame every use case: one transaction, rows may be written, and a change leaves an audit event."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from django.db import transaction

from imagegen_app.models import guard

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


class NoAuditEvent(RuntimeError):
    """A use case changed rows and left no audit event; the change was rolled back."""


def use_case(*, silent: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function a use case.

    The function runs in a transaction in which rows may be written. Changed rows without an audit
    event roll it back, unless it is `silent`: leases, heartbeats and counters. A use case called
    inside another joins it, and its events count for the outer one too.
    """

    def frame(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            outer = guard.current()
            unit = guard.Unit(name=function.__qualname__, silent=silent)
            with transaction.atomic():
                token = guard.enter(unit)
                try:
                    result = function(*args, **kwargs)
                finally:
                    guard.leave(token)
                if unit.changed and not unit.events and not silent:
                    raise NoAuditEvent(f"{unit.name} changed {', '.join(sorted(unit.changed))}")
            if outer is not None:
                outer.events += unit.events
                if not silent:
                    outer.changed |= unit.changed
            return result

        return run

    return frame
