"""Tell the time by the database's clock, so that workers need not agree on theirs."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import connection

_NOW = {
    "sqlite": "SELECT STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')",
    "postgresql": "SELECT CLOCK_TIMESTAMP()",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
}


def now() -> datetime:
    """Return the database's present time, in UTC."""
    with connection.cursor() as cursor:
        cursor.execute(_NOW[connection.vendor])
        told: datetime | str = cursor.fetchone()[0]
    moment = datetime.fromisoformat(told) if isinstance(told, str) else told
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
