"""A module of a site that fails while it is imported."""

from __future__ import annotations

RATIO = 1 / 0
