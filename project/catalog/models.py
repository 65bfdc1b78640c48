"""What the shop sells."""

from __future__ import annotations

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from project.catalog.tints import tint_of


class Category(models.Model):
    """A shelf of the shop."""

    name = models.CharField(_("name"), max_length=80)
    slug = models.SlugField(_("slug"), max_length=80, unique=True)
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    cover = models.ImageField(
        _("cover"),
        upload_to="categories/",
        blank=True,
        width_field="cover_width",
        height_field="cover_height",
    )
    cover_width = models.PositiveIntegerField(null=True, blank=True, editable=False)
    cover_height = models.PositiveIntegerField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("category")
        verbose_name_plural = _("categories")
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Return the address of the shelf's page."""
        return reverse("catalog:category", kwargs={"category": self.slug})


class Product(models.Model):
    """A thing on a shelf."""

    category = models.ForeignKey(
        Category, on_delete=models.PROTECT, related_name="products", verbose_name=_("category")
    )
    name = models.CharField(_("name"), max_length=120)
    slug = models.SlugField(_("slug"), max_length=120, unique=True)
    sku = models.CharField(_("article number"), max_length=20, unique=True)
    description = models.TextField(_("description"), blank=True)
    colour = models.CharField(_("colour"), max_length=60, blank=True)
    material = models.CharField(_("material"), max_length=120, blank=True)
    price = models.DecimalField(_("price"), max_digits=8, decimal_places=2)
    image = models.ImageField(_("image"), upload_to="products/", blank=True)
    image_alt = models.CharField(
        _("image description"),
        max_length=250,
        blank=True,
        help_text=_("What the image shows, for people who cannot see it."),
    )
    image_back = models.ImageField(_("second image"), upload_to="products/", blank=True)
    is_published = models.BooleanField(_("published"), default=True)
    updated_at = models.DateTimeField(_("last changed"), auto_now=True)

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        ordering = ["category__position", "name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Return the address of the product's page."""
        return reverse("catalog:product", kwargs={"slug": self.slug})

    @property
    def alt(self) -> str:
        """Return the alternative text of the image: its own, else the product's name."""
        return self.image_alt or self.name

    @property
    def tint(self) -> str:
        """Return the name of the tint that comes near the product's colour."""
        return tint_of(self.colour)
