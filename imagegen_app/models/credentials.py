"""Store which of the site's credentials must not be used any more; never a value."""

from __future__ import annotations

import hashlib

from django.db import models
from django.utils.translation import gettext_lazy as _

from imagegen_app.models.base import Record


class RevokedCredential(Record):
    """A credential of the settings that nothing may use until it is restored."""

    #: The SHA-256 of the name: some databases take names for equal that differ in case or accents.
    name_digest = models.CharField(max_length=64, unique=True, editable=False)
    name = models.CharField(_("credential"), max_length=80)
    reason = models.CharField(_("reason"), max_length=300)
    revoked_at = models.DateTimeField(_("revoked"))
    #: When it was restored; null while nothing may use it.
    restored_at = models.DateTimeField(_("restored"), null=True, blank=True)

    class Meta:
        verbose_name = _("revoked credential")
        verbose_name_plural = _("revoked credentials")
        permissions = [("revoke_credential", _("Can revoke and restore credentials"))]

    def __str__(self) -> str:
        return self.name


def digest_of_name(name: str) -> str:
    """Return by what a credential's name is looked up, the same for no two names."""
    return hashlib.sha256(name.encode()).hexdigest()
