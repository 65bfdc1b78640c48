"""The catalogue in the admin: plain Django, as most shops have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from imagegen_app.forms.actions import GenerateImagesAction
from imagegen_app.forms.mixins import GenerateImageMixin
from project.catalog.models import Category, Product

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString
    from django_stubs_ext import StrOrPromise

    AnyCategoryAdmin = admin.ModelAdmin[Category]
    AnyProductAdmin = admin.ModelAdmin[Product]
else:
    AnyCategoryAdmin = AnyProductAdmin = admin.ModelAdmin


class HasImage(admin.SimpleListFilter):
    """Find the products that still lack an image."""

    title = _("image")
    parameter_name = "has_image"

    def lookups(self, *_args: object) -> list[tuple[str, StrOrPromise]]:
        return [("yes", _("With an image")), ("no", _("Without an image"))]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Product]) -> QuerySet[Product]:
        if self.value() == "yes":
            return queryset.exclude(image="")
        if self.value() == "no":
            return queryset.filter(image="")
        return queryset


@admin.register(Category)
class CategoryAdmin(AnyCategoryAdmin):
    """The shelves, in the order of the shop."""

    list_display = ["name", "slug", "position"]
    list_editable = ["position"]
    prepopulated_fields = {"slug": ["name"]}
    search_fields = ["name"]


@admin.register(Product)
class ProductAdmin(GenerateImageMixin, GenerateImagesAction, AnyProductAdmin):
    """The products, with what they look like."""

    list_display = ["thumbnail", "name", "sku", "category", "colour", "price", "is_published"]
    list_display_links = ["thumbnail", "name"]
    list_filter = ["category", HasImage, "is_published"]
    list_select_related = ["category"]
    list_per_page = 50
    search_fields = ["name", "sku", "description", "colour", "material"]
    prepopulated_fields = {"slug": ["name"]}
    save_on_top = True
    actions = ["generate_images"]
    # Batches place their second shot there.
    readonly_fields = ["image_back"]
    fieldsets = [
        (None, {"fields": ["name", "slug", "sku", "category", "is_published"]}),
        (_("Image"), {"fields": ["image", "image_alt", "image_back"]}),
        (_("Details"), {"fields": ["description", "colour", "material", "price"]}),
    ]

    @admin.display(description=_("image"), empty_value="—")
    def thumbnail(self, product: Product) -> SafeString | None:
        """Return the product's image, small; None where it has none yet."""
        if not product.image:
            return None
        return format_html(
            '<img src="{}" alt="{}" width="48" height="48" loading="lazy">',
            product.image.url,
            product.alt,
        )
