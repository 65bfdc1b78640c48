"""The shop's public pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.shortcuts import get_object_or_404
from django.views.generic import DetailView, ListView

from project.catalog.models import Category, Product

if TYPE_CHECKING:
    from django.db.models import QuerySet

    AnyListView = ListView[Product]
    AnyDetailView = DetailView[Product]
else:
    AnyListView, AnyDetailView = ListView, DetailView


class ProductList(AnyListView):
    """Show the whole shop, or one shelf of it."""

    template_name = "catalog/product_list.html"
    context_object_name = "products"

    def get_queryset(self) -> QuerySet[Product]:
        """Return the published products of the shelf that the address names.

        :raises Http404: when there is no such shelf
        """
        products = Product.objects.filter(is_published=True).select_related("category")
        self.category = None
        if "category" in self.kwargs:
            self.category = get_object_or_404(Category, slug=self.kwargs["category"])
            products = products.filter(category=self.category)
        return products

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            category=self.category, categories=Category.objects.all(), **kwargs
        )


class ProductDetail(AnyDetailView):
    """Show one product."""

    template_name = "catalog/product_detail.html"
    context_object_name = "product"

    def get_queryset(self) -> QuerySet[Product]:
        return Product.objects.filter(is_published=True).select_related("category")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        more = self.get_queryset().filter(category=self.object.category).exclude(pk=self.object.pk)
        return super().get_context_data(more=more[:4], **kwargs)
