"""The catalogue in the admin: plain Django, as most shops have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from project.catalog.models import Category, Product

if TYPE_CHECKING:
    AnyCategoryAdmin = admin.ModelAdmin[Category]
    AnyProductAdmin = admin.ModelAdmin[Product]
else:
    AnyCategoryAdmin = AnyProductAdmin = admin.ModelAdmin


class HasImage(admin.SimpleListFilter):
    """Find the products that still lack a picture."""

    title = _("picture")
    parameter_name = "picture"

    def lookups(self, request: object, model_admin: object) -> list[tuple[str, object]]:
        return [("yes", _("With a picture")), ("no", _("Without a picture"))]

    def queryset(self, request, queryset):
        return queryset
