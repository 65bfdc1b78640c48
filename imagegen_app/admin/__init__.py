"""The admin's pages: one module a noun, on a base that writes through use cases only."""

from __future__ import annotations

from imagegen_app.admin import assets, audit, catalog, jobs, money, prompts, workers

__all__ = ["assets", "audit", "catalog", "jobs", "money", "prompts", "workers"]
