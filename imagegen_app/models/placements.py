"""Store where assets are used in the site's content."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils.translation import gettext_lazy as _

from imagegen_app.models.assets import Asset
from imagegen_app.models.base import Record, RecordQuerySet
from imagegen_app.models.relations import ForeignKey


class PlacementQuerySet(RecordQuerySet["Placement"]):
    """Filters for placements."""

    def active(self) -> PlacementQuerySet:
        """Return the placements that were not removed."""
        return self.filter(removed_at__isnull=True)


class Placement(Record):
    """Where an asset is used: in which field of which object, placed by whom and when."""

    asset = ForeignKey(
        Asset, on_delete=models.PROTECT, related_name="placements", verbose_name=_("asset")
    )
    content_type = ForeignKey(ContentType, on_delete=models.PROTECT, related_name="+")
    object_id = models.CharField(max_length=64)
    target = GenericForeignKey("content_type", "object_id")
    field = models.CharField(_("field"), max_length=80)
    object_label = models.CharField(_("content"), max_length=200)
    placed_by = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="imagegen_placements",
        verbose_name=_("placed by"),
    )
    placed_at = models.DateTimeField(_("placed"), auto_now_add=True)
    #: The field's value before, which is restored when the placement is removed.
    previous_value = models.CharField(max_length=300, blank=True)
    #: The alternative text that was replaced, unless it belongs to the asset of an earlier placement.
    previous_alt_text = models.TextField(blank=True)
    placed_value = models.CharField(max_length=300, blank=True)
    removed_at = models.DateTimeField(_("removed"), null=True, blank=True)
    #: The image was withdrawn, or an erasure rewrote it, and this copy is not deleted yet.
    has_copy_to_delete = models.BooleanField(default=False, db_index=True)

    objects: ClassVar[Any] = PlacementQuerySet.as_manager()

    class Meta:
        verbose_name = _("placement")
        verbose_name_plural = _("placements")
        indexes = [
            models.Index(fields=["content_type", "object_id"], name="imagegen_placement_content"),
            models.Index(fields=["-placed_at", "-id"], name="imagegen_placement_newest"),
            models.Index(fields=["removed_at", "-placed_at"], name="imagegen_placement_removed"),
        ]

    def __str__(self) -> str:
        return f"{self.object_label}.{self.field}"


class OutdatedDismissal(Record):
    """That an image stays where it is, though another would be made today."""

    placement = ForeignKey(
        Placement,
        on_delete=models.PROTECT,
        related_name="dismissals",
        verbose_name=_("placement"),
    )
    #: Of the request that would be composed then; another one later is told of again.
    digest = models.CharField(_("request digest"), max_length=64)
    dismissed_by = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("kept by"),
    )
    dismissed_at = models.DateTimeField(_("kept"), auto_now_add=True)

    class Meta:
        verbose_name = _("image kept though out of date")
        verbose_name_plural = _("images kept though out of date")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["placement", "digest"], name="imagegen_dismissal_once")
        ]

    def __str__(self) -> str:
        return str(self.placement)
