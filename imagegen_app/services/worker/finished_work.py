"""Send a mail to people who want one when work of theirs that took long is finished.

A worker looks for it once a minute, after the work was committed: no job waits for a mail server, and
none fails with it. One mail tells of all that a person asked for in one go.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Q
from django.utils import translation

from imagegen_app.core.states import FINAL_STATES, RUNNING_STATES, JobState
from imagegen_app.models import Asset, Batch, Job, MailPreference
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import mail
from imagegen_app.services.jobs import batch_counts
from imagegen_app.services.monitoring import mail_preferences
from imagegen_app.services.worker import _work_mail
from imagegen_app.services.worker._work_mail import FinishedSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

_log = logging.getLogger("imagegen.worker")
#: The periodic task, and the seconds between two runs.
MAILING: Final = "mailing"
MAILING_SECONDS: Final = 60
#: A transaction may end later than the time that it wrote: what is older was seen.
_OVERLAP: Final = timedelta(minutes=5)
#: What is finished does not wait longer than this for the rest of its set, nor for a mail server.
_PATIENCE: Final = timedelta(hours=1)
_GIVEN_UP: Final = timedelta(days=1)
#: Jobs that are looked at for one person at once.
_MOST: Final = 2000


@dataclass(frozen=True, slots=True)
class _Piece:
    """A request or a batch that is finished."""

    #: `job:` and its key, or `batch:`, its key and that of its newest job: rows that are requested again
    #: finish the batch anew.
    key: str
    finished_at: datetime
    job: Job | None = None
    batch: Batch | None = None


def is_wanted() -> bool:
    """Return whether anybody wants such mails, and the site sends them."""
    return mail_preferences.is_offered() and MailPreference.objects.exists()


def mail_finished_work() -> int:
    """Send the mails that are due; return how many were sent."""
    sent = 0
    for key in MailPreference.objects.exclude(person=None).values_list("pk", flat=True):
        try:
            sent += _mail_one(key)
        except mail.MailFailed as error:
            # It is tried again in a minute; what it tells of does not depend on it.
            _log.warning("A mail about finished work was not sent: %s", error)
    return sent


def _mail_one(key: int) -> bool:
    preference = _look(key)
    if preference is None or preference.person is None:
        return False
    address = mail_preferences.address_of(preference.person)
    ready = _ready(preference)
    if not ready:
        return False
    if address and preference.person.is_active:
        with translation.override(preference.language):
            subject, text = _work_mail.compose(ready, preference)
        # Outside of any transaction: a mail server may be slow.
        mail.send(subject, text, to=address)
    _note_told(preference, [piece for one in ready for piece in one.pieces])
    return bool(address)


@use_case(audited=False)
def _look(key: int) -> MailPreference | None:
    """Find what was finished since the last time, and note it; return the preference with it."""
    rows = MailPreference.objects.select_for_update().filter(pk=key)
    preference: MailPreference | None = rows.select_related(None).first()
    if preference is None or preference.person is None:
        return None
    now = clock.now()
    found = {
        one.key: one.finished_at.isoformat()
        for one in _finished(preference, since=preference.looked_at - _OVERLAP)
        if one.key not in preference.told
    }
    preference.waiting = _newer({**found, **preference.waiting}, than=now - _GIVEN_UP)
    preference.told = _newer(preference.told, than=now - _GIVEN_UP)
    preference.looked_at = now
    rows.update(waiting=preference.waiting, told=preference.told, looked_at=now)
    return preference


def _newer(stored: Mapping[str, str], *, than: datetime) -> dict[str, str]:
    return {key: at for key, at in stored.items() if datetime.fromisoformat(at) > than}


@use_case(audited=False)
def _note_told(preference: MailPreference, keys: Iterable[str]) -> None:
    rows = MailPreference.objects.select_for_update().filter(pk=preference.pk)
    current = rows.first()
    if current is None:
        return
    told = [key for key in keys if key in current.waiting]
    rows.update(
        told={**current.told, **{key: current.waiting[key] for key in told}},
        waiting={key: at for key, at in current.waiting.items() if key not in told},
    )


def _finished(preference: MailPreference, *, since: datetime) -> list[_Piece]:
    """Return the requests and batches of the person that ended since, and took long enough."""
    ended = Job.objects.filter(
        requester=preference.person, state__in=sorted(FINAL_STATES), finished_at__gt=since
    )
    roots: set[UUID] = set()
    batches: set[UUID] = set()
    rows: Any = ended.values_list("pk", "root", "batch")
    for pk, root, batch in rows[:_MOST]:
        if batch is None:
            roots.add(root or pk)
        else:
            batches.add(batch)
    long = timedelta(minutes=preference.minutes)
    return [
        *_finished_requests(roots, long),
        *_finished_batches(preference, batches, long, since=since),
    ]


def _finished_requests(roots: set[UUID], long: timedelta) -> Iterable[_Piece]:
    chains: dict[UUID, list[Job]] = {}
    for job in Job.objects.filter(Q(pk__in=roots) | Q(root__in=roots), batch=None):
        chains.setdefault(job.root_id or job.pk, []).append(job)
    for key, chain in chains.items():
        root = next((job for job in chain if job.pk == key), None)
        # Whoever cancelled it knows.
        if root is None or root.state == JobState.CANCELLED.value:
            continue
        ends = [job.finished_at for job in chain]
        last = None if None in ends else max(at for at in ends if at is not None)
        if last is not None and last - root.created_at >= long:
            yield _Piece(f"job:{key}", last, job=root)


def _finished_batches(
    preference: MailPreference, batches: set[UUID], long: timedelta, *, since: datetime
) -> Iterable[_Piece]:
    rows = Batch.objects.filter(pk__in=batches, requester=preference.person, cancelled_at=None)
    for batch in rows.defer("rows", "invalid_rows", "mapping"):
        now = clock.now()
        newest = batch.jobs.order_by("-pk").first()
        if newest is None or not batch_counts.is_finished(batch):
            continue
        again = (
            batch.jobs.filter(replaces__isnull=False, finished_at__gt=since).order_by("pk").first()
        )
        began = batch.created_at if again is None else again.created_at
        if now - began >= long:
            yield _Piece(f"batch:{batch.pk}:{newest.pk}", now, batch=batch)


def _ready(preference: MailPreference) -> list[FinishedSet]:
    """Return the sets of which nothing runs any more: a session's requests, a request, a batch."""
    keys = [key.partition(":") for key in preference.waiting]
    jobs = Job.objects.filter(pk__in=[key for kind, _colon, key in keys if kind == "job"])
    sets: dict[Any, list[Job]] = {}
    for job in jobs.order_by("pk"):
        sets.setdefault(job.session_id or job.pk, []).append(job)
    running = set(
        Job.objects.filter(
            session__in=[job.session_id for job in jobs if job.session_id],
            state__in=RUNNING_STATES,
        ).values_list("session", flat=True)
    )
    limit = clock.now() - _PATIENCE
    found = []
    for key, members in sets.items():
        oldest = min(datetime.fromisoformat(preference.waiting[f"job:{m.pk}"]) for m in members)
        if key in running and oldest > limit:
            continue
        found.append(_set_of_requests(members))
    rounds: dict[str, list[str]] = {}
    for kind, _colon, key in keys:
        if kind == "batch":
            rounds.setdefault(key.partition(":")[0], []).append(f"batch:{key}")
    batches = Batch.objects.filter(pk__in=rounds)
    for batch in batches.defer("rows", "invalid_rows", "mapping").order_by("pk"):
        unsuccessful = batch.failed + batch.blocked
        found.append(
            FinishedSet(
                pieces=tuple(rounds[str(batch.pk)]),
                images=batch.succeeded,
                unsuccessful=unsuccessful,
                kind="batch",
                key=str(batch.pk),
                title=batch.title,
            )
        )
    return found


def _set_of_requests(members: list[Job]) -> FinishedSet:
    keys = [job.pk for job in members]
    results = Asset.objects.filter(
        Q(job__in=keys) | Q(job__root__in=keys), is_intermediate=False, hard_category=""
    )
    # An answer from the cache has the images of the earlier job.
    made = set(results.values_list("job__root", "job"))
    with_images = {root or job for root, job in made}
    cached = {job.pk for job in members if job.cached_from_id is not None}
    first = members[0]
    return FinishedSet(
        pieces=tuple(f"job:{key}" for key in keys),
        images=results.count() + sum(job.count for job in members if job.pk in cached),
        unsuccessful=len(set(keys) - with_images - cached),
        kind="session" if first.session_id else "job",
        key=str(first.session_id or first.pk),
        title="",
    )
