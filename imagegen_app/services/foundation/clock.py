"""Tell the time by the database's clock, so that workers need not agree on theirs."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models.functions import Now

if TYPE_CHECKING:
    from django.db.models.expressions import CombinedExpression

_NOW = {
    "sqlite": "SELECT STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')",
    "postgresql": "SELECT CLOCK_TIMESTAMP()",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
}


class _Now(Now):
    """The database's present time inside of a query; in UTC whatever a MySQL session thinks."""

    def as_mysql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **context)


def ago(seconds: float) -> CombinedExpression:
    """Return the moment that many seconds before now, for use inside of a query."""
    return _Now() - timedelta(seconds=seconds)


#: Seconds for which the database's answer is carried on by this host's steady clock.
CACHE_SECONDS = 1.0
#: What the database said, and what the steady clock showed just after.
_told: tuple[datetime, float] | None = None


def now() -> datetime:
    """Return the database's present time, in UTC; asked at most once a second.

    In between the steady clock carries it on, which no change of the time moves. It is never ahead
    of the database, so that what is due now is found due.
    """
    global _told  # noqa: PLW0603 - one clock a process
    carried = _told
    if carried is not None:
        moment, shown = carried
        passed = time.monotonic() - shown
        if passed < CACHE_SECONDS:
            return _in_steps(moment + timedelta(seconds=passed))
    moment = _ask()
    _told = (moment, time.monotonic())
    return moment


def _in_steps(moment: datetime) -> datetime:
    """Cut a moment to the steps of the database's own clock: SQLite counts milliseconds."""
    if connection.vendor != "sqlite":
        return moment
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _ask() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute(_NOW[connection.vendor])
        told: datetime | str = cursor.fetchone()[0]
    moment = datetime.fromisoformat(told) if isinstance(told, str) else told
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
