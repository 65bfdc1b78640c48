"""The site of the admin's tests: one of each row, and people in every role."""

from __future__ import annotations

from tests.admin.conftest import people, rows

__all__ = ["people", "rows"]
