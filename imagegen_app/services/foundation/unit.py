"""Run a use case in one transaction; a change without an audit event rolls it back."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from imagegen_app import database
from imagegen_app.models import guard

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


class AuditEventMissing(RuntimeError):
    """A use case changed rows and recorded no audit event; the change was rolled back."""


def use_case(
    *, audited: bool = True, savepoint: bool = True
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function a use case.

    The function runs in a transaction in which rows may be written. Changed rows without an audit
    event roll it back, unless it is declared `audited=False` (for leases, heartbeats
    and counters) or calls `skip_audit_event`. A use case called inside another joins it, and its
    events count for the outer one; if it fails, the outer one may continue without it, unless it
    is declared `savepoint=False`: then both fail.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            outer = guard.current()
            unit = guard.UnitOfWork(name=function.__qualname__, audited=audited)
            with database.atomic(savepoint=savepoint):
                token = guard.enter(unit)
                try:
                    result = function(*args, **kwargs)
                    if outer is None:
                        _write_deferred_rows(unit)
                finally:
                    guard.leave(token)
                if unit.changed and not unit.events and unit.audited:
                    raise AuditEventMissing(
                        f"{unit.name} changed {', '.join(sorted(unit.changed))}"
                    )
            if outer is not None:
                _merge_into(unit, to=outer)
            return result

        return run

    return decorate


def _write_deferred_rows(unit: guard.UnitOfWork) -> None:
    if unit.deferred_rows and unit.write_deferred is not None:
        unit.write_deferred(unit.deferred_rows)


def _merge_into(unit: guard.UnitOfWork, *, to: guard.UnitOfWork) -> None:
    to.events += unit.events
    to.deferred_rows += unit.deferred_rows
    to.write_deferred = unit.write_deferred or to.write_deferred
    if unit.audited:
        to.changed |= unit.changed


def skip_audit_event() -> None:
    """Let the running use case commit without an audit event, when it changed only counters."""
    unit = guard.current()
    if unit is not None:
        unit.audited = False
