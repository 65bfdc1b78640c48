"""Keep answers that were paid for and could not be used, until they are read again or too old."""

from __future__ import annotations

import logging
import platform
import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q, Sum

from imagegen_app import conf, database
from imagegen_app.core.actors import System
from imagegen_app.models import Asset, KeptAnswer
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import skip_audit_event, use_case
from imagegen_app.services.gateways import kept_files
from imagegen_app.services.jobs.state_machine import WORKER_ACTOR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Attempt, Job

logger = logging.getLogger("imagegen.answers")

RETENTION_ACTOR = System("sweep")
#: Files without a row, or whose row says that they are removed, are deleted when they are older.
_ORPHAN_SECONDS = 86_400
_BATCH = 500


@use_case()
def keep_answer(job: Job, attempt: Attempt, *, reason: str, detail: str = "") -> bool:
    """Keep an attempt's answer that was paid for and cannot be used, or not wholly.

    Joins the transaction that records the outcome; the files leave the spool after its commit.
    `reason` is an error code, `detail` a short technical reason in our own words. Returns whether
    the answer is kept: one that is read again has been kept before, and what never came cannot be.
    """
    answer = kept_files.answer_of(attempt)
    if attempt.rereads_id is not None or "body" not in answer.parts():
        skip_audit_event()
        return False
    _kept, is_new = KeptAnswer.objects.get_or_create(
        attempt=attempt,
        defaults={
            "reason": reason[:40],
            "detail": detail[:300],
            "host": platform.node()[:80],
            "byte_size": kept_files.byte_size(answer),
            "kept_at": clock.now(),
        },
    )
    if is_new:
        event_log.record(
            WORKER_ACTOR,
            "answer.kept",
            subject=job,
            job=job,
            data={"attempt": attempt.pk, "error": reason[:40], "detail": detail[:200]},
        )
    else:
        skip_audit_event()
    database.on_commit(partial(move_files, attempt))
    return True


def is_kept(attempt: Attempt) -> bool:
    """Return whether the attempt's answer is kept, so that its files must not be removed."""
    return KeptAnswer.objects.filter(attempt=attempt, removed_at__isnull=True).exists()


def move_files(attempt: Attempt) -> None:
    """Move a kept answer's files out of the spool; if that fails, the next sweep does it."""
    try:
        kept_files.keep(attempt)
    except OSError:
        logger.exception("The kept answer %s could not be moved out of the spool.", attempt.pk)


def delivered_hashes(kept: KeptAnswer) -> frozenset[str]:
    """Return the SHA-256 of the answer's images that became assets, now or when read again."""
    first = Asset.objects.filter(attempt=kept.attempt_id)
    later = Asset.objects.filter(attempt__rereads=kept)
    return frozenset(
        [
            *first.values_list("original_sha256", flat=True),
            *later.values_list("original_sha256", flat=True),
        ]
    )


def stored_bytes() -> int:
    """Return how many bytes all kept answers have."""
    kept = KeptAnswer.objects.filter(removed_at__isnull=True)
    return int(kept.aggregate(total=Sum("byte_size"))["total"] or 0)


@use_case()
def remove(kept: Iterable[KeptAnswer], *, ground: str, actor: Actor) -> int:
    """Remove kept answers for good; return how many. Their rows stay and say so."""
    rows = list(kept)
    keys = [one.pk for one in rows]
    count: int = KeptAnswer.objects.filter(pk__in=keys, removed_at__isnull=True).update(
        removed_at=clock.now()
    )
    if not count:
        skip_audit_event()
        return 0
    event_log.record(actor, "answer.removed", data={"count": count, "ground": ground})
    for one in rows:
        database.on_commit(partial(kept_files.remove, one.attempt_id))
    return count


def remove_closed(job: Job, attempt: Attempt) -> None:
    """Remove what is kept of a job whose image is in a hard category; joins the transaction."""
    kept = KeptAnswer.objects.filter(
        Q(attempt__job=job) | Q(pk=attempt.rereads_id), removed_at__isnull=True
    )
    if kept:
        remove(kept, ground="hard category", actor=WORKER_ACTOR)


def clear_old_answers() -> int:
    """Remove kept answers that are older than the site keeps them; return how many."""
    limit = clock.now() - timedelta(days=conf.get().spool.keep_days)
    old = KeptAnswer.objects.filter(removed_at__isnull=True, kept_at__lt=limit)
    count = remove(old[:_BATCH], ground="older than allowed", actor=RETENTION_ACTOR)
    _remove_orphans()
    return count


def _remove_orphans() -> None:
    """Delete files that no row knows: a process died, or the row was removed on another host."""
    limit = time.time() - _ORPHAN_SECONDS
    for path in sorted(kept_files.folder().iterdir())[:_BATCH]:
        if path.stat().st_mtime > limit:
            continue
        try:
            key = UUID(path.name)
        except ValueError:
            kept_files.remove(path.name)
            continue
        if not KeptAnswer.objects.filter(attempt=key, removed_at__isnull=True).exists():
            kept_files.remove(path.name)
