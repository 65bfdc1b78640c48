"""Read the time from the database's clock, so that the clocks of hosts need not agree."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models.functions import Now
from django.utils import timezone

from imagegen_app import database

if TYPE_CHECKING:
    from django.db.models.expressions import CombinedExpression

_NOW = {
    "sqlite": "SELECT STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')",
    "postgresql": "SELECT CLOCK_TIMESTAMP()",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
}


class _Now(Now):
    """The current time of the database inside a query; on MySQL in UTC in any session."""

    def as_mysql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **context)


def ago(seconds: float) -> CombinedExpression:
    """Return an expression for the moment `seconds` before now, for use inside a query."""
    return _Now() - timedelta(seconds=seconds)


#: Seconds for which `now` extrapolates the database's time by this host's monotonic clock.
CACHE_SECONDS = 1.0
#: The database's time when it was last read, and the monotonic clock's value just after.
_last_reading: tuple[datetime, float] | None = None


def now() -> datetime:
    """Return the current time of the database, in UTC; it is queried at most once a second.

    In between, the time is extrapolated by the monotonic clock, which no change of the host's time
    affects. The result is never ahead of the database, so that a job due now is found due.
    """
    global _last_reading  # noqa: PLW0603 - one clock a process
    reading = _last_reading
    if reading is not None:
        moment, monotonic_then = reading
        passed = time.monotonic() - monotonic_then
        if passed < CACHE_SECONDS:
            return _truncate(moment + timedelta(seconds=passed))
    moment = _query_database()
    _last_reading = (moment, time.monotonic())
    return moment


def today() -> date:
    """Return the day in the site's `TIME_ZONE`, also while a reader's own zone is active."""
    return timezone.localdate(now(), timezone.get_default_timezone())


def _truncate(moment: datetime) -> datetime:
    """Truncate a moment to the precision of the database's clock: milliseconds on SQLite."""
    if database.connection().vendor != "sqlite":
        return moment
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _query_database() -> datetime:
    connection = database.connection()
    with connection.cursor() as cursor:
        cursor.execute(_NOW[connection.vendor])
        value: datetime | str = cursor.fetchone()[0]
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
