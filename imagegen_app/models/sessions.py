"""Store the sessions of the studio: what a person made in one go, to come back to."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from imagegen_app.core.ids import uuid7
from imagegen_app.core.limits import MAX_SESSION_NAME_CHARS
from imagegen_app.models.base import Record
from imagegen_app.models.relations import ForeignKey


class StudioSession(Record):
    """The requests that a person made in the studio one after the other; only they see it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="imagegen_sessions",
        # The index below begins with it.
        db_index=False,
        verbose_name=_("owner"),
    )
    #: Given by its owner; empty for a session that is named by what was requested first.
    name = models.CharField(_("name"), max_length=MAX_SESSION_NAME_CHARS, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    used_at = models.DateTimeField(_("last used"))

    class Meta:
        verbose_name = _("studio session")
        verbose_name_plural = _("studio sessions")
        default_permissions = ()
        indexes = [models.Index(fields=["owner", "-used_at"], name="imagegen_session_of_owner")]

    def __str__(self) -> str:
        return self.name or str(self.id)[-8:]
