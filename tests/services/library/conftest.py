"""The products of the demo, which hold images in fields of their own."""

from __future__ import annotations

import pytest

from project import seed
from project.catalog.models import Product


@pytest.fixture
def products() -> list[Product]:
    seed.create_catalog()
    return list(Product.objects.order_by("pk")[:4])
