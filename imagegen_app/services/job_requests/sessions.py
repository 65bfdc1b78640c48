"""Keep the requests of the studio together in sessions, which only their owner sees."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Count, OuterRef, Q, Subquery
from django.utils.translation import gettext as _

from imagegen_app.core.ids import uuid7
from imagegen_app.core.limits import MAX_SESSION_NAME_CHARS
from imagegen_app.models import Job, StudioSession
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import skip_audit_event, use_case
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from imagegen_app.core.actors import Person

#: A session that was used so lately is continued by whoever opens the studio.
CONTINUED_HOURS = 12
#: Sessions that are listed to go back to.
MAX_LISTED = 30
_TITLE_CHARS = 48


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """One session in the list of a person's own."""

    key: UUID
    #: As its owner named it, or the template or the first words that it began with.
    title: str
    used_at: datetime
    request_count: int


def current_key(
    actor: Person, *, own: Sequence[SessionSummary], wanted: UUID | None, is_new: bool = False
) -> UUID:
    """Return the key of the session to work in: the wanted one if it may be, else the last one.

    `own` are the person's sessions, as `own_sessions` returns them. A key without a row belongs to a
    session that begins with its first request.
    """
    if is_new:
        return uuid7()
    if wanted is not None and (
        wanted in {one.key for one in own} or not _belongs_to_another(actor, wanted)
    ):
        return wanted
    since = clock.now() - timedelta(hours=CONTINUED_HOURS)
    return next((one.key for one in own if one.used_at >= since), None) or uuid7()


def _belongs_to_another(actor: Person, key: UUID) -> bool:
    owners = StudioSession.objects.filter(pk=key).values_list("owner", flat=True)
    return any(owner != actor.user.pk for owner in owners)


def own_sessions(actor: Person) -> list[SessionSummary]:
    """Return the person's own sessions, the last used first, with one query."""
    first = Job.objects.filter(session=OuterRef("pk")).order_by("pk")
    rows = (
        StudioSession.objects.filter(owner=actor.user)
        .annotate(
            request_count=Count("jobs", filter=Q(jobs__root__isnull=True)),
            first_template=Subquery(first.values("template_version__template__name")[:1]),
            first_prompt=Subquery(first.values("prompt")[:1]),
        )
        .order_by("-used_at")[:MAX_LISTED]
    )
    return [
        SessionSummary(
            key=row.pk,
            title=row.name or row.first_template or shortened(row.first_prompt or ""),
            used_at=row.used_at,
            request_count=row.request_count,
        )
        for row in rows
    ]


def shortened(prompt: str) -> str:
    """Return the first words of a prompt, for a heading."""
    words = " ".join(prompt.split())
    if not words:
        return _("Untitled")
    if len(words) <= _TITLE_CHARS:
        return words
    return f"{words[:_TITLE_CHARS].rsplit(' ', 1)[0]}…"


def ensure_sessions(actor: Person, keys: Collection[UUID]) -> None:
    """Create the sessions that begin with a request, and note that the others were used.

    Joins the transaction of the request.
    """
    now = clock.now()
    used = StudioSession.objects.filter(pk__in=keys, owner=actor.user)
    used.update(used_at=now)
    known = set(used.values_list("pk", flat=True))
    StudioSession.objects.bulk_create(
        StudioSession(pk=key, owner=actor.user, used_at=now) for key in keys if key not in known
    )


@use_case()
def rename(*, actor: Person, key: UUID, name: str) -> None:
    """Give one's own session a name; an empty one takes it away.

    :raises ActionRefused: if it is not the person's own, or the name is too long.
    """
    name = " ".join(name.split())
    if len(name) > MAX_SESSION_NAME_CHARS:
        raise ActionRefused(
            _("The session was not renamed."),
            reason=_("The name has %(count)s characters; at most %(max)s are possible.")
            % {"count": len(name), "max": MAX_SESSION_NAME_CHARS},
            remedy=_("Shorten it."),
        )
    session = StudioSession.objects.select_for_update().filter(pk=key, owner=actor.user).first()
    if session is None:
        raise ActionRefused(
            _("The session was not renamed."),
            reason=_("There is no such session of yours."),
            remedy=_("A session begins with its first request."),
        )
    if session.name == name:
        skip_audit_event()
        return
    StudioSession.objects.filter(pk=key).update(name=name)
    event_log.record(actor, "studio_session.renamed", data={"session": key})
