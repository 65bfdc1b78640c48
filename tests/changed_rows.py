"""Change rows that tests arrange, past the use cases that write them on a site."""

from __future__ import annotations

from typing import Any

from imagegen_app.services.foundation.unit import use_case


@use_case(audited=False)
def change(row: Any, **fields: Any) -> None:
    """Store fields of a row, and read them back."""
    type(row).objects.filter(pk=row.pk).update(**fields)
    row.refresh_from_db()
