"""Revoke and restore the site's credentials, and tell which of them may be used."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _

from imagegen_app import conf, database
from imagegen_app.engines.base import wake
from imagegen_app.models import Provider, RevokedCredential
from imagegen_app.models.credentials import digest_of_name
from imagegen_app.services.foundation import clock, event_log, past_events
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import usable_credentials
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from datetime import datetime

    from imagegen_app.core.actors import Actor

#: May see, revoke and restore credentials.
PERMISSION: Final = "revoke_credential"
MAX_REASON_CHARS: Final = 300


class CredentialActionRefused(ActionRefused):
    """A credential can be neither revoked nor restored as asked."""

    code = "invalid_record"


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """A credential of the settings, without its value."""

    name: str
    #: Kinds of its sources, such as `env` and `file`; `code` for a function.
    source_kinds: tuple[str, ...]
    hosts: tuple[str, ...]
    environment: str
    is_test: bool
    expires: str
    #: Short names of the providers that use it, and names of the content checks and the captioner.
    used_by: tuple[str, ...]
    #: When and why it was revoked; None and empty if it was not.
    revoked_at: datetime | None
    reason: str
    #: Why it must not be used although it is not revoked; empty if it may.
    problem: str


def list_credentials(*, actor: Actor) -> list[CredentialRow]:
    """Return the credentials of the settings by name; no value is read.

    :raises NotPermitted: if the actor may not see them.
    """
    access.require_permission(actor, PERMISSION)
    revoked = {row.name: row for row in RevokedCredential.objects.filter(restored_at=None)}
    users = defaultdict(list)
    for slug, name in Provider.objects.order_by("slug").values_list("slug", "credential"):
        users[name].append(slug)
    for screener in conf.get().screeners:
        users[str(screener.options.get("credential", ""))].append(screener.name)
    captioner = conf.get().captioner
    if captioner.backend:
        users[str(captioner.options.get("credential", ""))].append(_("captioner"))
    text_model = conf.get().text_model
    if text_model.backend:
        users[str(text_model.options.get("credential", ""))].append(_("text model"))
    rows = []
    for name, entry in sorted(conf.get().credentials.items()):
        sources = (entry.source,) if isinstance(entry.source, str) else entry.source
        row = revoked.get(name)
        rows.append(
            CredentialRow(
                name=name,
                source_kinds=tuple(_kind_of(source) for source in sources),
                hosts=tuple(entry.hosts),
                environment=entry.environment,
                is_test=entry.is_test,
                expires=entry.expires,
                used_by=tuple(users[name]),
                revoked_at=None if row is None else row.revoked_at,
                reason="" if row is None else row.reason,
                problem=usable_credentials.environment_problem(name),
            )
        )
    return rows


def _kind_of(source: str) -> str:
    kind, separator, _rest = source.partition(":")
    return kind if separator and "." not in kind else "code"


@use_case()
def revoke(*, actor: Actor, name: str, reason: str) -> RevokedCredential:
    """Have nothing sent with a credential any more, in any process, from about a second on.

    Calls that are under way are not cut off. Jobs of its providers wait. Webhooks of its providers are
    not believed.

    :raises NotPermitted: if the actor may not revoke credentials.
    :raises CredentialActionRefused: if the settings have none of that name, it is revoked already, or
        no reason is given.
    """
    access.require_permission(actor, PERMISSION)
    reason = _valid_reason(_("Nothing was revoked."), reason)
    if name not in conf.get().credentials:
        raise CredentialActionRefused(
            _("Nothing was revoked."),
            reason=_("The settings have no credential “%(name)s”.") % {"name": name[:80]},
            remedy=_("Choose one of these: %(names)s.") % {"names": _names()},
        )
    now = clock.now()
    row, is_new = RevokedCredential.objects.get_or_create(
        name_digest=digest_of_name(name),
        defaults={"name": name, "reason": reason, "revoked_at": now},
    )
    if not is_new:
        row = RevokedCredential.objects.select_for_update().get(pk=row.pk)
        if row.restored_at is None:
            told = _("The credential “%(name)s” is revoked already.")
            raise _already_done(told % {"name": name}, row, "credential.revoked")
        row.reason, row.revoked_at, row.restored_at = reason, now, None
        row.save()
    _record(actor, "credential.revoked", row, reason)
    return row


@use_case()
def restore(*, actor: Actor, name: str, reason: str) -> None:
    """Have a revoked credential used again.

    :raises NotPermitted: if the actor may not restore credentials.
    :raises CredentialActionRefused: if it is not revoked, or no reason is given.
    """
    access.require_permission(actor, PERMISSION)
    reason = _valid_reason(_("Nothing was restored."), reason)
    rows = RevokedCredential.objects.select_for_update()
    row = rows.filter(name_digest=digest_of_name(name)).first()
    if row is None or row.restored_at is not None:
        told = _("The credential “%(name)s” is not revoked.")
        raise _already_done(told % {"name": name[:80]}, row, "credential.restored")
    row.restored_at = clock.now()
    row.save()
    _record(actor, "credential.restored", row, reason)
    # Jobs wait for it.
    wake("drive")


def _already_done(told: str, row: RevokedCredential | None, kind: str) -> CredentialActionRefused:
    known = "" if row is None else past_events.who_and_when(row, kind)
    return CredentialActionRefused(
        _("Nothing was changed."), reason=f"{told} {known}".strip(), remedy="", is_already_done=True
    )


def _record(actor: Actor, kind: str, row: RevokedCredential, reason: str) -> None:
    event_log.record(
        actor, kind, subject=row, data={"credential": row.name}, personal={"reason": reason}
    )
    # Now for the rest of this transaction, and then for what another thread has read meanwhile.
    usable_credentials.forget_revoked_names()
    database.on_commit(usable_credentials.forget_revoked_names)


def _valid_reason(refused: str, reason: str) -> str:
    reason = " ".join(reason.split())
    if not reason:
        raise CredentialActionRefused(
            refused,
            reason=_("No reason is given."),
            remedy=_("Say in a few words why; the log keeps it."),
        )
    return reason[:MAX_REASON_CHARS]


def _names() -> str:
    return ", ".join(sorted(conf.get().credentials)) or "-"
