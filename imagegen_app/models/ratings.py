"""Store what people think of images: stars, one row for each image and person."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from imagegen_app.models.assets import Asset
from imagegen_app.models.base import Record
from imagegen_app.models.relations import ForeignKey

MAX_STARS = 5


class AssetRating(Record):
    """How many stars a person gives an image."""

    asset = ForeignKey(
        Asset, on_delete=models.PROTECT, related_name="ratings", verbose_name=_("asset")
    )
    person = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="imagegen_ratings",
        verbose_name=_("person"),
    )
    stars = models.PositiveSmallIntegerField(_("stars"))
    rated_at = models.DateTimeField(_("rated"), auto_now=True)

    class Meta:
        verbose_name = _("rating")
        verbose_name_plural = _("ratings")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["asset", "person"], name="imagegen_rating_once"),
            models.CheckConstraint(
                condition=Q(stars__gte=1, stars__lte=MAX_STARS), name="imagegen_rating_stars"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.asset}: {self.stars}"
