"""Store brand kits and their immutable versions."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from imagegen_app.models.base import Record
from imagegen_app.models.relations import ForeignKey


class BrandKit(Record):
    """What the images of a brand have in common; its content is in its versions."""

    name = models.CharField(_("name"), max_length=80)
    slug = models.SlugField(_("short name"), max_length=60, unique=True)
    current = ForeignKey(
        "BrandKitVersion",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="current_of",
        verbose_name=_("published version"),
    )
    is_archived = models.BooleanField(_("archived"), default=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("brand kit")
        verbose_name_plural = _("brand kits")

    def __str__(self) -> str:
        return self.name


class BrandKitVersion(Record):
    """One immutable state of a brand kit; jobs refer to it."""

    kit = ForeignKey(
        BrandKit, on_delete=models.PROTECT, related_name="versions", verbose_name=_("brand kit")
    )
    number = models.PositiveIntegerField(_("version"))
    #: Colours by name and code; see `core.kit_values`.
    palette: models.JSONField[Any, Any] = models.JSONField(_("palette"), default=list, blank=True)
    style_words = models.TextField(_("style words"), blank=True)
    #: Terms that commas separate.
    negative_words = models.TextField(_("negative words"), blank=True)
    #: The keys of assets whose look is followed.
    references: models.JSONField[Any, Any] = models.JSONField(
        _("reference images"), default=list, blank=True
    )
    seed = models.BigIntegerField(_("house seed"), null=True, blank=True)
    #: By name and weight, in the order that they are added in.
    loras: models.JSONField[Any, Any] = models.JSONField("LoRA", default=list, blank=True)
    note = models.CharField(_("what changed"), max_length=200, blank=True)
    created_by = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("written by"),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("brand kit version")
        verbose_name_plural = _("brand kit versions")
        constraints = [
            models.UniqueConstraint(fields=["kit", "number"], name="imagegen_kit_number_once")
        ]

    def __str__(self) -> str:
        return f"{self.kit} v{self.number}"
