"""Allow writes to our tables only inside a use case, and note which tables it changed.

A service opens a `UnitOfWork`; every write is recorded in it. A unit that changed rows without
appending an audit event is rolled back when it closes (see `services.foundation.unit`).
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class WriteOutsideUseCase(RuntimeError):
    """A table of the image app was written outside of a use case; call a service instead."""


@dataclass(slots=True)
class UnitOfWork:
    """What one use case has done so far."""

    name: str
    #: Whether a change needs an audit event; leases, heartbeats and counters need none.
    audited: bool = True
    #: Names of the tables whose rows were changed, without those of the audit log.
    changed: set[str] = field(default_factory=set)
    #: Number of audit events that were appended.
    events: int = 0
    #: Rows that are written together when the outermost unit ends, and the function for that.
    deferred_rows: list[Any] = field(default_factory=list)
    write_deferred: Callable[[list[Any]], None] | None = None


_current: ContextVar[UnitOfWork | None] = ContextVar("imagegen_unit", default=None)


def current() -> UnitOfWork | None:
    """Return the unit of work of the running use case; None outside of one."""
    return _current.get()


def enter(unit: UnitOfWork) -> object:
    """Start a unit and return the token for `leave`."""
    return _current.set(unit)


def leave(token: object) -> None:
    """End the unit that `enter` started."""
    _current.reset(token)  # type: ignore[arg-type]  # the token is opaque to callers


def require_use_case(table: str) -> UnitOfWork:
    """Return the unit of the running use case, in which a table may be written.

    :raises WriteOutsideUseCase: if no use case is running.
    """
    unit = _current.get()
    if unit is None:
        raise WriteOutsideUseCase(
            f"{table} was written outside of a use case, which would leave no trace in the audit log; "
            "set a site up with imagegen_app.set_up(...) or manage.py imagegen_setup, and make rows "
            "for tests with imagegen_app.testing.factories"
        )
    return unit


def record_change(table: str) -> None:
    """Record in the running use case that rows of a table were changed.

    A write that found no row is none: a command that had nothing left to do needs no event.
    """
    require_use_case(table).changed.add(table)
