"""Keep what must happen outside of the database until it has: entries are written with a change.

A worker claims entries that are due. Whoever dies with one loses nothing: it is due again when the
claim expires. What fails is tried again ever more rarely, and never given up.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from imagegen_app.core.failpoints import failpoint
from imagegen_app.models import OutboxEntry
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from imagegen_app.models import Asset

#: For how long one try may take; then another process may try.
CLAIM_SECONDS = 120
#: The pause after the first failure; it doubles with each further one, up to the longest.
FIRST_PAUSE_SECONDS = 30
LONGEST_PAUSE_SECONDS = 3600
_MAX_PROBLEM_CHARS = 80
_LOOKED_AT = 10


@use_case(audited=False)
def add(kind: str, key: str, *, asset: Asset, payload: Mapping[str, Any]) -> None:
    """Add something to do, in the transaction of the change that it belongs to; once for each key."""
    OutboxEntry.objects.get_or_create(
        key=key,
        defaults={"kind": kind, "asset": asset, "payload": dict(payload), "due_at": clock.now()},
    )


@use_case(audited=False)
def add_many(kind: str, assets: Mapping[str, Asset]) -> None:
    """Add the same to do for many assets, by key; once for each key, as with `add`."""
    now = clock.now()
    OutboxEntry.objects.bulk_create(
        [OutboxEntry(kind=kind, key=key, asset=one, due_at=now) for key, one in assets.items()],
        batch_size=100,
        ignore_conflicts=True,
    )


def is_due() -> bool:
    """Return whether anything is to be done now."""
    return OutboxEntry.objects.filter(due_at__lte=clock.now()).exists()


@use_case(audited=False)
def claim(kinds: Collection[str]) -> OutboxEntry | None:
    """Claim an entry that is due, for one caller at a time; None if there is none."""
    now = clock.now()
    due = OutboxEntry.objects.filter(kind__in=kinds, due_at__lte=now).select_related("asset__job")
    for entry in due.order_by("due_at", "pk")[:_LOOKED_AT]:
        claimed = OutboxEntry.objects.filter(pk=entry.pk, attempts=entry.attempts, due_at__lte=now)
        if claimed.update(
            attempts=entry.attempts + 1, due_at=now + timedelta(seconds=CLAIM_SECONDS)
        ):
            entry.attempts += 1
            found: OutboxEntry = entry
            return found
    return None


@use_case(audited=False)
def finish(entry: OutboxEntry) -> bool:
    """Delete an entry that was done; return False if its claim has expired and another has it."""
    failpoint("outbox.after_send_before_mark")
    deleted, _by_table = OutboxEntry.objects.filter(pk=entry.pk, attempts=entry.attempts).delete()
    return bool(deleted)


@use_case(audited=False)
def postpone(entry: OutboxEntry, problem: str, *, payload: Mapping[str, Any] | None = None) -> None:
    """Keep an entry that failed for a later try; `problem` is a code or the name of an error."""
    pause = min(FIRST_PAUSE_SECONDS * 2 ** min(entry.failures, 20), LONGEST_PAUSE_SECONDS)
    _mine(entry).update(
        failures=entry.failures + 1,
        problem=problem[:_MAX_PROBLEM_CHARS],
        due_at=clock.now() + timedelta(seconds=pause),
        payload=entry.payload if payload is None else dict(payload),
    )


@use_case(audited=False)
def proceed(entry: OutboxEntry, payload: Mapping[str, Any]) -> None:
    """Store how far an entry was done; the rest is due at once, and this was no failure."""
    _mine(entry).update(payload=dict(payload), due_at=clock.now(), failures=0, problem="")


def _mine(entry: OutboxEntry) -> Any:
    return OutboxEntry.objects.filter(pk=entry.pk, attempts=entry.attempts)
