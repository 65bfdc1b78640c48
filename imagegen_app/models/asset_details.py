"""Store what is added to assets: texts in further languages, people's stars, and former files."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from imagegen_app.core.limits import MAX_ALT_CHARS
from imagegen_app.models.assets import Asset, Rendition
from imagegen_app.models.base import Record
from imagegen_app.models.relations import ForeignKey

MAX_STARS = 5


class AltText(Record):
    """An asset's alternative text in one language; that of the site's own is the asset's field."""

    asset = ForeignKey(
        Asset, on_delete=models.PROTECT, related_name="alt_texts", verbose_name=_("asset")
    )
    language = models.CharField(_("language"), max_length=20)
    #: Empty while it is only suggested.
    text = models.CharField(_("alternative text"), max_length=MAX_ALT_CHARS, blank=True)
    #: What the captioner suggests in this language, for a person to take, edit or leave.
    suggestion = models.CharField(
        _("suggested alternative text"), max_length=MAX_ALT_CHARS, blank=True
    )

    class Meta:
        verbose_name = _("alternative text")
        verbose_name_plural = _("alternative texts")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["asset", "language"], name="imagegen_alt_text_language_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.language}: {self.text}"


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


class FormerFile(Record):
    """A file of an asset as it was before an erasure rewrote it.

    The file itself is deleted. Its hash still finds the asset, and copies that others made of it.
    """

    asset = ForeignKey(
        Asset, on_delete=models.PROTECT, related_name="former_files", verbose_name=_("asset")
    )
    #: The rendition that it was; None if it was the master or the original.
    rendition = ForeignKey(
        Rendition, on_delete=models.PROTECT, null=True, blank=True, related_name="former_files"
    )
    is_original = models.BooleanField(default=False)
    sha256 = models.CharField(_("SHA-256"), max_length=64, db_index=True)
    byte_size = models.PositiveBigIntegerField(_("bytes"))
    replaced_at = models.DateTimeField(_("replaced"), auto_now_add=True)

    class Meta:
        verbose_name = _("former file")
        verbose_name_plural = _("former files")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name}: {self.sha256[:16]}"

    @property
    def name(self) -> str:
        """Which file it was: `master`, `original` or a rendition's format and size."""
        if self.rendition is not None:
            return str(self.rendition)
        return "original" if self.is_original else "master"
