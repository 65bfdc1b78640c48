"""Hold the write guard: our rows change only inside a use case.

The services open a `UnitOfWork`; every guarded write reports to it. A unit that changed rows and left no
audit event is refused when it closes (see `services.foundation.unit`).
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class WriteOutsideUseCase(RuntimeError):
    """A row of the image app was written outside of a use case; call a service instead."""


@dataclass(slots=True)
class UnitOfWork:
    """What one use case has done so far."""

    name: str
    #: Leases, heartbeats and counters may change without an event.
    audited: bool = True
    #: Tables that were written, the log's own left out.
    changed: set[str] = field(default_factory=set)
    #: Audit events that were appended.
    events: int = 0
    #: Rows that are written together when the outermost unit ends, and what writes them.
    deferred_rows: list[Any] = field(default_factory=list)
    write_late: Callable[[list[Any]], None] | None = None


_current: ContextVar[UnitOfWork | None] = ContextVar("imagegen_unit", default=None)


def current() -> UnitOfWork | None:
    """Return the use case that is running, if one is."""
    return _current.get()


def enter(unit: UnitOfWork) -> object:
    """Start a unit and return the token that `leave` wants."""
    return _current.set(unit)


def leave(token: object) -> None:
    """End the unit that `enter` started."""
    _current.reset(token)  # type: ignore[arg-type]  # the token is opaque to callers


def record_write(table: str, *, is_audit_table: bool = False) -> None:
    """Note a write to a table.

    :raises WriteOutsideUseCase: outside of a use case.
    """
    unit = _current.get()
    if unit is None:
        raise WriteOutsideUseCase(
            f"{table} was written outside of a use case; call a service instead"
        )
    if not is_audit_table:
        unit.changed.add(table)
