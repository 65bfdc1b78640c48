"""Check all rows of a batch that is planned, a part at a time, so that no page waits for long."""

from __future__ import annotations

import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django.core import signing

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.services.batches.planning import BatchPlan, PlannedRow

    #: Plans the rows from one place to another.
    PlanPart = Callable[[int, int], BatchPlan]

#: Rows that are planned together.
CHUNK_SIZE: Final = 250
#: How long one request checks rows, in seconds.
SECONDS: Final = 0.5
_SALT: Final = "imagegen.row-check"
_MAX_AGE_SECONDS: Final = 12 * 3600


@dataclass(frozen=True, slots=True)
class RowCheck:
    """What is known of the first rows of a batch."""

    #: How many rows were checked, from the first one on.
    checked: int = 0
    #: Rows with a problem, which are skipped.
    problems: int = 0
    #: Rows whose images exist already, and that cost nothing.
    free: int = 0
    #: What the checked rows cost.
    cost: Decimal = Decimal(0)

    @property
    def ready(self) -> int:
        """The checked rows that can become jobs, those that are free included."""
        return self.checked - self.problems

    def is_complete(self, total: int) -> bool:
        """Return whether all rows were checked."""
        return self.checked >= total

    def estimated_cost(self, total: int, *, each: Decimal) -> Decimal:
        """Return what all rows cost, if each one that was not checked costs `each`."""
        return self.cost + max(0, total - self.checked) * each

    def as_token(self, digest: str) -> str:
        """Return it signed, to continue with the same rows in the next request."""
        data = [digest, self.checked, self.problems, self.free, str(self.cost)]
        return signing.dumps(data, salt=_SALT)


def from_token(token: str, digest: str) -> RowCheck:
    """Return what an earlier request found out; nothing if the rows or their values have changed."""
    try:
        data: Any = signing.loads(token, salt=_SALT, max_age=_MAX_AGE_SECONDS)
        if data[0] != digest:
            return RowCheck()
        return RowCheck(int(data[1]), int(data[2]), int(data[3]), Decimal(data[4]))
    except (signing.BadSignature, ValueError, TypeError, LookupError, ArithmeticError):
        return RowCheck()


def continue_check(
    check: RowCheck, *, total: int, plan_part: PlanPart, seconds: float | None = None
) -> RowCheck:
    """Check the next rows, for about so many seconds (`SECONDS`); at least one part is checked."""
    end = time.monotonic() + (SECONDS if seconds is None else seconds)
    while not check.is_complete(total):
        stop = min(total, check.checked + CHUNK_SIZE)
        plan = plan_part(check.checked, stop)
        check = RowCheck(
            checked=stop,
            problems=check.problems + len(plan.rows) - len(plan.valid_rows),
            free=check.free + sum(row.is_cached for row in plan.valid_rows),
            cost=check.cost + plan.cost,
        )
        if time.monotonic() >= end:
            break
    return check


@dataclass(frozen=True, slots=True)
class ProblemRows:
    """The next rows with a problem."""

    rows: tuple[PlannedRow, ...]
    #: From which place the search goes on; None if all rows were looked at.
    following: int | None


def find_problems(
    *, start: int, total: int, most: int, plan_part: PlanPart, seconds: float | None = None
) -> ProblemRows:
    """Return the next rows with a problem from a place on, at most so many, within about that time."""
    end = time.monotonic() + (SECONDS if seconds is None else seconds)
    found: list[PlannedRow] = []
    place = start
    while place < total:
        stop = min(total, place + CHUNK_SIZE)
        for offset, row in enumerate(plan_part(place, stop).rows):
            if not row.error:
                continue
            if len(found) == most:
                return ProblemRows(tuple(found), place + offset)
            found.append(row)
        place = stop
        if time.monotonic() >= end:
            break
    return ProblemRows(tuple(found), place if place < total else None)
