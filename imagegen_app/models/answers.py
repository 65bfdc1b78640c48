"""Store which providers' answers are kept because they could not be used."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from imagegen_app.core.ids import uuid7
from imagegen_app.models.attempts import Attempt
from imagegen_app.models.base import Record


class KeptAnswer(Record):
    """An answer that was paid for and could not be used, or not wholly; its files are on disk."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    attempt = models.OneToOneField(
        Attempt, on_delete=models.PROTECT, related_name="kept_answer", verbose_name=_("attempt")
    )
    #: The code of the error that it ended with.
    reason = models.CharField(_("reason"), max_length=40)
    #: A short technical reason in our own words.
    detail = models.CharField(_("detail"), max_length=300, blank=True)
    #: The host whose state folder holds the files, where hosts do not share one.
    host = models.CharField(_("host"), max_length=80, blank=True)
    byte_size = models.PositiveBigIntegerField(_("bytes"), default=0)
    kept_at = models.DateTimeField(_("kept since"), db_index=True)
    removed_at = models.DateTimeField(_("removed"), null=True, blank=True)

    class Meta:
        verbose_name = _("kept answer")
        verbose_name_plural = _("kept answers")
        default_permissions = ("view",)
        permissions = [
            ("reread_kept_answer", "Can have kept answers read again"),
            ("download_kept_answer", "Can download kept answers"),
        ]

    def __str__(self) -> str:
        return f"{self.reason} {str(self.id)[-8:]}"
