"""Store what must still happen outside of the database after a change, until it has happened."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from imagegen_app.models.assets import Asset
from imagegen_app.models.base import Record
from imagegen_app.models.relations import ForeignKey


class OutboxEntry(Record):
    """One thing to do outside of the database; written with the change, and deleted once done."""

    kind = models.CharField(
        _("task"),
        max_length=20,
        choices=[
            ("purge", _("Empty caches")),
            ("copies", _("Find copies")),
            ("former", _("Replace former copies")),
            ("delete", _("Delete a copy")),
            ("close", _("Delete closed files")),
        ],
    )
    #: What is to be done, once; a second entry with the same key is not written.
    key = models.CharField(max_length=160, unique=True)
    asset = ForeignKey(
        Asset, on_delete=models.PROTECT, related_name="outbox", verbose_name=_("asset")
    )
    payload: models.JSONField[Any, Any] = models.JSONField(default=dict)
    #: When it is tried next; while it is being tried, when another process may try it.
    due_at = models.DateTimeField(_("next try"), db_index=True)
    #: Counts the claims, so that a process whose claim has expired changes nothing any more.
    attempts = models.PositiveIntegerField(_("tries"), default=0)
    #: Failed tries in a row.
    failures = models.PositiveIntegerField(_("failed tries"), default=0)
    #: What the last try failed with, as a code; empty before the first failure.
    problem = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("outstanding task")
        verbose_name_plural = _("outstanding tasks")
        default_permissions = ()

    def __str__(self) -> str:
        return self.key
