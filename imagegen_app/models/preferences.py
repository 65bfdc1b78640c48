"""Store what people wish for themselves: a mail when work that took long is finished."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from imagegen_app.models.base import Record
from imagegen_app.models.relations import ForeignKey


class MailPreference(Record):
    """After how many minutes of work a person gets a mail when it is finished, and what was told."""

    person = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        db_index=False,
        related_name="imagegen_mail_preference",
        verbose_name=_("person"),
    )
    minutes = models.PositiveSmallIntegerField(_("minutes"))
    #: The language of the mails: that in which it was chosen.
    language = models.CharField(_("language"), max_length=20)
    #: Addresses of the site's pages by kind, with `{key}`; a worker does not know the site's host.
    addresses: models.JSONField[Any, Any] = models.JSONField(default=dict)
    #: Up to when finished work was looked for.
    looked_at = models.DateTimeField(_("looked for work"))
    #: Finished work that no mail told of yet, as `kind:key` with when it was finished.
    waiting: models.JSONField[Any, Any] = models.JSONField(default=dict, blank=True)
    #: The same of what a mail told of lately, so that it is told once.
    told: models.JSONField[Any, Any] = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = _("mail preference")
        verbose_name_plural = _("mail preferences")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["person"], name="imagegen_mail_preference_once")
        ]

    def __str__(self) -> str:
        return f"{self.person}: {self.minutes}"
