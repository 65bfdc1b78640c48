"""Store the alternative texts of assets in further languages of a site."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from imagegen_app.core.limits import MAX_ALT_CHARS
from imagegen_app.models.assets import Asset
from imagegen_app.models.base import Record
from imagegen_app.models.relations import ForeignKey


class AltText(Record):
    """An asset's alternative text in one language; that of the site's own is the asset's field."""

    asset = ForeignKey(
        Asset, on_delete=models.PROTECT, related_name="alt_texts", verbose_name=_("asset")
    )
    language = models.CharField(_("language"), max_length=20)
    text = models.CharField(_("alternative text"), max_length=MAX_ALT_CHARS)

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
