"""Tell how much of the log is bound by copies outside of the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db.models import BooleanField, ExpressionWrapper, Q, Subquery
from django.utils.translation import gettext
from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.core import log_restores
from imagegen_app.models import AuditEvent, Checkpoint, CheckpointCopy
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.local_times import format_in_text

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet

    from imagegen_app.core.log_restores import AcceptedRestore

#: A place gets the newest checkpoint after this time.
PUBLISH_SECONDS: Final = 3600
#: A place that lacks a checkpoint of this age is reported: two tries failed meanwhile.
LATE_SECONDS: Final = 2 * PUBLISH_SECONDS
#: Events that say that the log is not what was signed or published.
_ALARMS: Final = (
    "log.events_without_receipt",
    "log.rollback_detected",
    "log.verification_failed",
)


@dataclass(frozen=True, slots=True)
class PlaceStatus:
    """What one place has."""

    name: str
    kind: str
    #: The size of the log in its newest copy; 0 if it has none.
    size: int
    #: When its newest copy was published; None if it has none.
    published_at: datetime | None
    #: Whether it lacks a checkpoint that is older than `LATE_SECONDS`.
    is_late: bool


@dataclass(frozen=True, slots=True)
class PublicationProblem:
    """What is not published, and the remedy."""

    message: str
    remedy: str


def place_statuses() -> list[PlaceStatus]:
    """Return what each place of the site has, by name."""
    limit = clock.ago(LATE_SECONDS)
    found = []
    for name, entry in sorted(conf.get().audit.publish_to.items()):
        copy = newest_copy(name)
        size = 0 if copy is None else copy.checkpoint.size
        lacking = Checkpoint.objects.filter(size__gt=size, created_at__lt=limit)
        found.append(
            PlaceStatus(
                name=name,
                kind=entry.kind,
                size=size,
                published_at=None if copy is None else copy.published_at,
                is_late=lacking.exists(),
            )
        )
    return found


def newest_copy(place: str) -> CheckpointCopy | None:
    """Return the copy that was published to a place last."""
    copies = CheckpointCopy.objects.filter(place=place).select_related("checkpoint")
    return copies.order_by("-published_at", "-pk").first()


def publication_problems(newest: Checkpoint | None = None) -> list[PublicationProblem]:
    """Return what keeps the log from being bound outside of this database, and the remedies.

    Give the `newest_checkpoint` where it is known already.
    """
    newest = newest or newest_checkpoint()
    return [*_alarms(newest), *_restored(newest), *_unpublished(), *_unsigned(newest)]


def restore_remedy() -> str:
    """Return what to do about a log that does not continue what was published of it."""
    return _(
        "If the database was restored from a backup, look for a newer backup first. If there is "
        "none, run manage.py imagegen_audit accept-restore: it says what is lost, and records it."
    )


def restore_warning(restore: AcceptedRestore) -> str:
    """Return the sentence that says for ever what a restored backup lost, in the reader's language."""
    return gettext(log_restores.WARNING) % restore.facts


def _restored(newest: Any) -> list[PublicationProblem]:
    """Return a problem for the last restore that was accepted; the verification tells of all."""
    body = _restore_bodies().first() if newest is None else newest.restore_body
    return [
        PublicationProblem(
            restore_warning(restore),
            _("Keep the published copies: they show what was lost. This warning stays."),
        )
        for restore in log_restores.read_all([body] if body else [])
    ]


def _alarms(newest: Any) -> list[PublicationProblem]:
    """Return a problem if the last alarm about the log is younger than its last whole verification."""
    found = _alarm_times().first() if newest is None else newest.alarm_at
    if found is None:
        return []
    # A verification from a checkpoint on says nothing about what is before.
    verified = AuditEvent.objects.filter(type="log.verified", at__gt=found)
    if verified.exclude(body__contains='"from":').exists():
        return []
    return [
        PublicationProblem(
            _("The log failed verification on %s.") % format_in_text(found),
            f"{_('Run manage.py imagegen_audit verify: it says where.')} {restore_remedy()}",
        )
    ]


def _unpublished() -> list[PublicationProblem]:
    statuses = place_statuses()
    if not statuses:
        return [
            PublicationProblem(
                _("Nothing outside this database binds the log yet: it is published nowhere."),
                _(
                    "Name places in IMAGEGEN['AUDIT']['PUBLISH_TO'], such as a mailbox or a bucket "
                    "with object lock."
                ),
            )
        ]
    remedy = _("Run manage.py imagegen_audit publish: it says what is wrong.")
    if all(status.published_at is None for status in statuses):
        return [
            PublicationProblem(
                _("Nothing outside this database binds the log yet: no copy has been published."),
                remedy,
            )
        ]
    return [
        PublicationProblem(
            _(
                "The place “%(place)s” has no new copy of the log: the last one has %(size)s entries."
            )
            % {"place": status.name, "size": status.size},
            remedy,
        )
        for status in statuses
        if status.is_late
    ]


def newest_checkpoint() -> Checkpoint | None:
    """Return the newest checkpoint; None if there is none.

    Its `is_recent` says whether it is young enough, its `alarm_at` when the last alarm about the
    log was recorded, and its `restore_body` is the event of the last restore that was accepted.
    """
    is_recent = ExpressionWrapper(
        Q(created_at__gte=clock.ago(LATE_SECONDS), created_at__lte=clock.ago(-LATE_SECONDS)),
        output_field=BooleanField(),
    )
    # With the alarm and the restore, since the pages that show it may ask the database few times.
    found = Checkpoint.objects.annotate(
        is_recent=is_recent,
        alarm_at=Subquery(_alarm_times()[:1]),
        restore_body=Subquery(_restore_bodies()[:1]),
    )
    return found.order_by("-size").first()


def _restore_bodies() -> QuerySet[AuditEvent, str]:
    restores = AuditEvent.objects.filter(type=log_restores.EVENT).order_by("-at", "-pk")
    return restores.values_list("body", flat=True)


def _alarm_times() -> QuerySet[AuditEvent, datetime]:
    alarms = AuditEvent.objects.filter(type__in=_ALARMS).order_by("-at")
    return alarms.values_list("at", flat=True)


def _unsigned(newest: Any) -> list[PublicationProblem]:
    """Return a problem if the log is not signed any more: a worker signs it every hour at least."""
    if newest is None or newest.is_recent:
        return []
    return [
        PublicationProblem(
            _("The log has not been signed for more than 2 hours."),
            _("Run manage.py imagegen_audit checkpoint: it says what is wrong."),
        )
    ]
