"""The admin: one module per group of models, on a base that writes only through use cases."""

from __future__ import annotations

from imagegen_app.admin import (
    assets,
    attempts,
    audit,
    catalog,
    jobs,
    kept_answers,
    money,
    placements,
    prompts,
    workers,
    workflows,
)

__all__ = [
    "assets",
    "attempts",
    "audit",
    "catalog",
    "jobs",
    "kept_answers",
    "money",
    "placements",
    "prompts",
    "workers",
    "workflows",
]
