"""The site of the admin's tests: one of each row, and people in every role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from tests.admin.conftest import people, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["people", "rows", "strict_texts"]


@pytest.fixture
def strict_texts() -> Iterator[None]:
    """Refuse NUL and lone surrogates in values of a statement, as PostgreSQL does."""

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        for value in params.values() if isinstance(params, dict) else params or ():
            if isinstance(value, str) and "\0" in value:
                raise ValueError("A string literal cannot contain NUL (0x00) characters.")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        yield
