"""The products of the demo, which hold images in fields of their own."""

from __future__ import annotations

import pytest

from project.catalog.models import Product
from tests import arranged_rows


@pytest.fixture
def products() -> list[Product]:
    arranged_rows.products()
    return list(Product.objects.order_by("pk")[:4])
