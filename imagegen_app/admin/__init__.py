"""The admin's pages: one module a noun, on a base that writes through use cases only."""

from __future__ import annotations

from imagegen_app.admin import (
    assets,
    attempts,
    audit,
    catalog,
    jobs,
    money,
    placements,
    prompts,
    workers,
)

__all__ = [
    "assets",
    "attempts",
    "audit",
    "catalog",
    "jobs",
    "money",
    "placements",
    "prompts",
    "workers",
]
