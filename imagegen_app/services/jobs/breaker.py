"""Stop calling what is broken, for all workers: by provider, model and operation.

Open after many failures; then one probe; then more and more calls until all go through again. What
a provider refuses for its content, or for the request's own fault, says nothing about its health.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from imagegen_app.core import pacing
from imagegen_app.core.actors import System
from imagegen_app.core.errors import (
    AuthenticationFailed,
    BadResponse,
    OutcomeUnknown,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    QuotaExhausted,
)
from imagegen_app.core.states import AttemptState
from imagegen_app.models import Attempt, CircuitBreaker
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import skip_audit_event, use_case
from imagegen_app.services.jobs.rate_limits import CallDeferred

if TYPE_CHECKING:
    from datetime import datetime

    from imagegen_app.models import ImageModel, Job

WATCH = System("breaker")
#: Failures of the service: they count for the model and operation.
_UNHEALTHY = (ProviderUnavailable, ProviderTimeout, OutcomeUnknown, BadResponse)
#: Failures of the account: no model of it will work.
_SHUT = (AuthenticationFailed, QuotaExhausted)
#: A breaker that is closed and has counted nothing.
_FRESH = {
    "calls": 0,
    "failures": 0,
    "consecutive_failures": 0,
    "open_until": None,
    "opened_at": None,
    "probe_until": None,
}


def require_closed(job: Job) -> None:
    """Let nobody call what is known to be broken; one probe may, once the time is up.

    Joins the transaction in which the call's attempt is made: if that fails, the probe is free again.

    :raises CallDeferred: with the time until it is worth asking again.
    """
    model = job.image_model
    keys = (_account_key(job), _key(job))
    for row in CircuitBreaker.objects.filter(pk__in=keys):
        alone = None if row.key == keys[0] else model.pk
        if row.open_until is not None:
            left = (row.open_until - clock.now()).total_seconds()
            if left > 0 or not _probe(row):
                wait = left if left > 0 else 2.0
                raise CallDeferred(
                    wait, provider=model.provider_id, image_model=alone, is_breaker_open=True
                )
        elif row.recovery_concurrency and _at_once(job) >= row.recovery_concurrency:
            raise CallDeferred(0.5, provider=model.provider_id, image_model=alone)


def open_until(job: Job) -> datetime | None:
    """Return until when the job's calls are kept back, None where they are not."""
    keys = (_account_key(job), _key(job))
    found = CircuitBreaker.objects.filter(pk__in=keys, open_until__gt=clock.ago(0)).order_by(
        "-open_until"
    )
    row = found.first()
    return None if row is None else row.open_until


def is_open_for(image_model: ImageModel, operation: str) -> bool:
    """Return whether a model's calls are kept back now."""
    keys = (str(image_model.provider_id), f"{image_model.provider_id}:{image_model.pk}:{operation}")
    return CircuitBreaker.objects.filter(pk__in=keys, open_until__isnull=False).exists()


def record_success(job: Job) -> bool:
    """Count a call that came back well, where failures were counted before; say whether they were."""
    rows = list(
        CircuitBreaker.objects.filter(pk__in=(_account_key(job), _key(job))).filter(
            Q(open_until__isnull=False) | Q(recovery_concurrency__gt=0) | Q(failures__gt=0)
        )
    )
    if rows:
        _heal(job, rows)
    return bool(rows)


def record_failure(job: Job, error: ProviderError) -> None:
    """Count a failed call, and open where it is enough."""
    if isinstance(error, _SHUT):
        _count(job, _account_key(job), at_once=True)
    elif isinstance(error, _UNHEALTHY):
        _count(job, _key(job), at_once=False)


@use_case()
def _heal(job: Job, rows: list[CircuitBreaker]) -> None:
    now = clock.now()
    closed = False
    for row in rows:
        mine = CircuitBreaker.objects.filter(pk=row.pk, open_until=row.open_until)
        if row.open_until is not None:
            closed |= bool(mine.update(**_FRESH, window_started_at=now, recovery_concurrency=1))
        elif row.recovery_concurrency:
            mine.update(recovery_concurrency=pacing.next_ramp(row.recovery_concurrency))
        elif (now - row.window_started_at).total_seconds() > pacing.WINDOW_SECONDS:
            mine.update(**_FRESH, window_started_at=now)
        else:
            mine.update(calls=F("calls") + 1, consecutive_failures=0)
    if closed:
        event_log.record(WATCH, "provider.resumed", subject=job.image_model.provider)
    else:
        skip_audit_event()


@use_case()
def _count(job: Job, key: str, *, at_once: bool) -> None:
    now = clock.now()
    row = _locked(job, key)
    fresh = (now - row.window_started_at).total_seconds() > pacing.WINDOW_SECONDS
    tally = (
        pacing.CallWindow(0, 0, row.consecutive_failures)
        if fresh
        else pacing.CallWindow(row.calls, row.failures, row.consecutive_failures)
    )
    tally = tally.failed()
    changes: dict[str, object] = {
        "calls": tally.calls,
        "failures": tally.failures,
        "consecutive_failures": tally.consecutive_failures,
        "window_started_at": now if fresh else row.window_started_at,
    }
    was_open = row.open_until is not None
    # Late answers of calls that were under way when it opened change nothing.
    is_late = row.open_until is not None and row.open_until > now
    opens = not is_late and (at_once or tally.should_open or was_open)
    if opens:
        outage = None if row.opened_at is None else (now - row.opened_at).total_seconds()
        changes |= {
            "open_until": now + timedelta(seconds=pacing.open_seconds(outage)),
            "opened_at": row.opened_at or now,
            "probe_until": None,
            "recovery_concurrency": 0,
        }
    CircuitBreaker.objects.filter(pk=key).update(**changes)
    if opens and not was_open:
        event_log.record(
            WATCH,
            "provider.paused",
            subject=job.image_model.provider,
            data={"model": job.image_model.slug, "operation": job.operation},
        )
    else:
        skip_audit_event()


def _locked(job: Job, key: str) -> CircuitBreaker:
    now = clock.now()
    try:
        with transaction.atomic():
            CircuitBreaker.objects.get_or_create(
                key=key,
                defaults={"provider_id": job.image_model.provider_id, "window_started_at": now},
            )
    except IntegrityError:
        pass
    found: CircuitBreaker = CircuitBreaker.objects.select_for_update().get(pk=key)
    return found


@use_case(audited=False)
def _probe(row: CircuitBreaker) -> bool:
    """Claim the one call that finds out whether it works again."""
    now = clock.now()
    return bool(
        CircuitBreaker.objects.filter(pk=row.pk, open_until=row.open_until)
        .filter(Q(probe_until__isnull=True) | Q(probe_until__lt=now))
        .update(probe_until=now + timedelta(seconds=pacing.PROBE_SECONDS))
    )


def _at_once(job: Job) -> int:
    return int(
        Attempt.objects.filter(
            image_model=job.image_model_id,
            live_job__isnull=False,
            state__in=[AttemptState.SENT.value, AttemptState.ACCEPTED.value],
        ).count()
    )


def _account_key(job: Job) -> str:
    return str(job.image_model.provider_id)


def _key(job: Job) -> str:
    return f"{job.image_model.provider_id}:{job.image_model_id}:{job.operation}"
