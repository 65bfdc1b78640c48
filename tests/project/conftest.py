"""Fill the shop as the demo does."""

from __future__ import annotations

import pytest
from django.core.cache import cache

from project import seed


@pytest.fixture
def shop(db: None) -> None:
    """A seeded shop, whose menus nothing remembers from another test."""
    cache.clear()
    seed.create_users()
    seed.create_catalog()
    seed.create_pages()
