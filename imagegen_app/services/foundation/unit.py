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


def use_case(
    *, silent: bool = False, joins: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function a use case.

    The function runs in a transaction in which rows may be written. Changed rows without an audit
    event roll it back, unless it is `silent`: leases, heartbeats and counters; `be_silent` says so
    from inside. A use case called inside another joins it, and its events count for the outer one;
    if it fails, the outer one may go on without it, unless it is declared to have no savepoint of
    its own (`joins`): then both fail.
    """

    def frame(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            outer = guard.current()
            unit = guard.Unit(name=function.__qualname__, silent=silent)
            with transaction.atomic(savepoint=not joins):
                token = guard.enter(unit)
                try:
                    result = function(*args, **kwargs)
                    if outer is None:
                        _write_late(unit)
                finally:
                    guard.leave(token)
                if unit.changed and not unit.events and not unit.silent:
                    raise NoAuditEvent(f"{unit.name} changed {', '.join(sorted(unit.changed))}")
            if outer is not None:
                _hand_over(unit, to=outer)
            return result

        return run

    return frame


def _write_late(unit: guard.Unit) -> None:
    if unit.late and unit.write_late is not None:
        unit.write_late(unit.late)


def _hand_over(unit: guard.Unit, *, to: guard.Unit) -> None:
    to.events += unit.events
    to.late += unit.late
    to.write_late = unit.write_late or to.write_late
    if not unit.silent:
        to.changed |= unit.changed


def be_silent() -> None:
    """Let the running use case change counters without an event: nothing happened to tell of."""
    unit = guard.current()
    if unit is not None:
        unit.silent = True
