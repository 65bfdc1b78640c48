"""Tell how much of the log is bound by copies outside of the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db.models import BooleanField, ExpressionWrapper, Q
from django.utils.translation import gettext as _

from imagegen_app import conf
from imagegen_app.models import Checkpoint, CheckpointCopy
from imagegen_app.services.foundation import clock

if TYPE_CHECKING:
    from datetime import datetime

#: A place gets the newest checkpoint after this time.
PUBLISH_SECONDS: Final = 3600
#: A place that lacks a checkpoint of this age is reported: two tries failed meanwhile.
LATE_SECONDS: Final = 2 * PUBLISH_SECONDS


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
    return [*_unpublished(), *_unsigned(newest or newest_checkpoint())]


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
    """Return the newest checkpoint; its `is_recent` says whether it is young enough; None if there is none."""
    is_recent = ExpressionWrapper(
        Q(created_at__gte=clock.ago(LATE_SECONDS)), output_field=BooleanField()
    )
    return Checkpoint.objects.annotate(is_recent=is_recent).order_by("-size").first()


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
