"""Store the workflows that models of some providers are: data of the site's own, in versions."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from imagegen_app.models.base import Record
from imagegen_app.models.catalog import Provider
from imagegen_app.models.relations import ForeignKey


class WorkflowVersion(Record):
    """One immutable state of a workflow; models point at versions."""

    provider = ForeignKey(
        Provider,
        on_delete=models.PROTECT,
        related_name="workflow_versions",
        verbose_name=_("provider"),
    )
    name = models.CharField(_("name"), max_length=120)
    number = models.PositiveIntegerField(_("version"))
    #: The graph, its slots, and what it is for, as the provider's adapter reads it.
    document: models.JSONField[Any, Any] = models.JSONField(_("workflow"))
    #: SHA-256 of the document as canonical JSON, in hexadecimal.
    digest = models.CharField(_("digest"), max_length=64)
    #: What did not fit the server when it was last asked: a text in English and its values, each.
    problems: models.JSONField[Any, Any] = models.JSONField(_("problems"), default=list, blank=True)
    #: When the server was last asked; null if it never answered.
    checked_at = models.DateTimeField(_("checked"), null=True, blank=True)
    note = models.CharField(_("what changed"), max_length=200, blank=True)
    created_by = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("uploaded by"),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("workflow version")
        verbose_name_plural = _("workflow versions")
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "name", "number"], name="imagegen_workflow_number_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.number}"
