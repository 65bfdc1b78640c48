"""Tell by which index a database finds the rows of a query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

if TYPE_CHECKING:
    from django.db.models import QuerySet

#: Ways that PostgreSQL prefers while a table has few rows.
_OF_SMALL_TABLES = ("seqscan", "sort", "bitmapscan", "incremental_sort")


def plan_of(rows: QuerySet[Any]) -> str:
    """Return the plan of a query, as if its tables were long."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for way in _OF_SMALL_TABLES:
                cursor.execute(f"SET LOCAL enable_{way} = off")
            plan = rows.explain()
            for way in _OF_SMALL_TABLES:
                cursor.execute(f"SET LOCAL enable_{way} = on")
        return plan
    if connection.vendor == "sqlite":
        return rows.explain()
    pytest.skip("its plans of short tables tell nothing of long ones")


def require_index(rows: QuerySet[Any], name: str) -> None:
    """Require that an index finds the rows of a query in their order, so that nothing is sorted."""
    plan = plan_of(rows)
    assert name in plan, plan
    assert "TEMP B-TREE" not in plan, plan
    assert "Sort" not in plan, plan
