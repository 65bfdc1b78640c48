"""Erase personal texts beside the log, each marked with the erasure's event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imagegen_app.models import AuditPersonalText
from imagegen_app.services.foundation import event_log

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet

_BATCH: Final = 500


def lock(texts: QuerySet[AuditPersonalText]) -> list[int]:
    """Lock those of the texts that are not erased yet, and return their keys."""
    # By primary key, in two steps: not every database locks one table of a join alone.
    keys = list(texts.filter(erased_by__isnull=True).order_by("pk").values_list("pk", flat=True))
    locked: list[int] = []
    for start in range(0, len(keys), _BATCH):
        # Once more: somebody else may have erased the same at the same moment.
        rows = AuditPersonalText.objects.select_for_update().filter(
            pk__in=keys[start : start + _BATCH], erased_by__isnull=True
        )
        locked += rows.order_by("pk").values_list("pk", flat=True)
    return locked


def erase(keys: list[int], *, erasure: UUID) -> None:
    """Blank locked texts, their salts and their persons; `erasure` is the event that records it.

    The event is written first: the database refuses to blank a text without it.
    """
    event_log.write_now()
    for start in range(0, len(keys), _BATCH):
        AuditPersonalText.objects.filter(pk__in=keys[start : start + _BATCH]).update(
            value="", salt=b"", subject="", erased_by=erasure
        )
