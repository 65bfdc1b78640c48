"""Show products on pages that the CMS keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import template

from project.catalog.models import Category, Product

if TYPE_CHECKING:
    from decimal import Decimal

    from django.db.models import QuerySet

register = template.Library()


@register.simple_tag
def shelves() -> QuerySet[Category]:
    """Return the categories in the shop's order."""
    return Category.objects.all()


@register.inclusion_tag("catalog/product_grid.html")
def featured_products(count: int = 8) -> dict[str, Any]:
    """Show one product of each shelf, those with an image first."""
    chosen: dict[int, Product] = {}
    published = Product.objects.filter(is_published=True).order_by("category__position", "pk")
    for product in sorted(published, key=lambda one: not one.image):
        chosen.setdefault(product.category_id, product)
    return {"products": list(chosen.values())[:count]}


@register.filter
def euros(price: Decimal) -> str:
    """Write a price as the shop does: whole euros without decimals."""
    return f"€ {price:,.0f}" if price == price.to_integral_value() else f"€ {price:,.2f}"
