"""The model of the plugin that shows an asset on a page."""

from __future__ import annotations

from cms.models.pluginmodel import CMSPlugin
from django.db import models
from django.utils.translation import gettext_lazy as _

from imagegen_app.core.limits import MAX_ALT_CHARS
from imagegen_app.models import Asset


class GeneratedImage(CMSPlugin):  # type: ignore[misc]  # the CMS has no types
    """An asset on a page; copying the page copies the plugin with a reference to the same asset."""

    asset = models.ForeignKey(
        Asset,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("image"),
    )
    alt_text = models.CharField(
        _("alternative text"),
        max_length=MAX_ALT_CHARS,
        blank=True,
        help_text=_(
            "Leave empty to use the image's own text. It describes the image for people who "
            "cannot see it."
        ),
    )
    is_decorative = models.BooleanField(
        _("decorative"),
        default=False,
        help_text=_("The image adds nothing to the text."),
    )
    caption = models.CharField(_("caption"), max_length=300, blank=True)
    is_wide = models.BooleanField(_("full width"), default=False)
    loads_eagerly = models.BooleanField(
        _("load immediately"), default=False, help_text=_("For an image at the top of the page.")
    )

    class Meta:
        verbose_name = _("generated image")
        verbose_name_plural = _("generated images")

    def __str__(self) -> str:
        return self.caption or (str(self.asset) if self.asset else "-")

    @property
    def alt(self) -> str | None:
        """The alternative text; None: use that of the asset."""
        if self.is_decorative:
            return ""
        return self.alt_text or None
