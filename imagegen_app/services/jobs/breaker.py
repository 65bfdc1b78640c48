"""Circuit breakers, shared by all workers: one per provider account, one per model and operation.

A breaker opens after many failures; then it lets one probe through, then gradually more calls. A
probe or call without a result holds up the others for a limited time only. Blocked content and invalid
requests do not count as failures.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import IntegrityError
from django.db.models import F, Q

from imagegen_app import database
from imagegen_app.core import pacing
from imagegen_app.core.actors import System
from imagegen_app.core.errors import (
    AuthenticationFailed,
    BadResponse,
    ContentBlocked,
    InvalidRequest,
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
from imagegen_app.services.jobs import incident_records
from imagegen_app.services.jobs.provider_limits import CallDeferred

if TYPE_CHECKING:
    from datetime import datetime

    from imagegen_app.models import ImageModel, Job

WATCH = System("breaker")
#: Failures of the service: they count for the model and operation.
_UNHEALTHY = (ProviderUnavailable, ProviderTimeout, OutcomeUnknown, BadResponse)
#: Failures of the account: no model of it will work.
_ACCOUNT_ERRORS = (AuthenticationFailed, QuotaExhausted)
#: The service works, and does not want this request.
_VERDICTS = (ContentBlocked, InvalidRequest)
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
    """Require that the job's breakers are closed, or claim the probe of one whose time is up.

    Joins the transaction that creates the attempt: if that fails, the probe is free again.

    :raises CallDeferred: if not, with the seconds until the next check.
    """
    model = job.image_model
    keys = keys_of(job)
    for row in CircuitBreaker.objects.filter(pk__in=keys):
        only_model = None if row.key == keys[0] else model.pk
        if row.open_until is not None:
            remaining = (row.open_until - clock.now()).total_seconds()
            if remaining > 0 or not _claim_probe(row):
                wait = remaining if remaining > 0 else 2.0
                raise CallDeferred(
                    wait,
                    provider=model.provider_id,
                    image_model=only_model,
                    operation=job.operation,
                    is_breaker_open=True,
                )
        elif row.recovery_concurrency and _calls_in_flight(job) >= row.recovery_concurrency:
            raise CallDeferred(
                0.5,
                provider=model.provider_id,
                image_model=only_model,
                operation=job.operation,
            )


def open_until(job: Job) -> datetime | None:
    """Return until when the job's calls are blocked by an open breaker, or None."""
    keys = keys_of(job)
    open_rows = CircuitBreaker.objects.filter(pk__in=keys, open_until__gt=clock.ago(0)).order_by(
        "-open_until"
    )
    row = open_rows.first()
    return None if row is None else row.open_until


def is_open_for(image_model: ImageModel, operation: str) -> bool:
    """Return whether a breaker of the model and operation, or of its account, is open."""
    keys = (str(image_model.provider_id), f"{image_model.provider_id}:{image_model.pk}:{operation}")
    return CircuitBreaker.objects.filter(pk__in=keys, open_until__isnull=False).exists()


def keys_of(job: Job) -> tuple[str, str]:
    """Return the keys of the breakers that a job's calls pass: its account's, then its model's."""
    return _account_key(job), _key(job)


def record_success(job: Job) -> bool:
    """Count a successful call if failures were counted before; return whether they were."""
    rows = list(
        CircuitBreaker.objects.filter(pk__in=keys_of(job)).filter(
            Q(open_until__isnull=False) | Q(recovery_concurrency__gt=0) | Q(failures__gt=0)
        )
    )
    if rows:
        _count_success(job, rows)
    return bool(rows)


def record_failure(job: Job, error: ProviderError) -> None:
    """Count a failed call, and open the breaker if there are too many.

    An error that says nothing about the provider's health ends a probe nevertheless.
    """
    if isinstance(error, _ACCOUNT_ERRORS):
        _count_failure(job, _account_key(job), error=error, at_once=True)
    elif isinstance(error, _UNHEALTHY):
        _count_failure(job, _key(job), error=error, at_once=False)
    else:
        end_probe(job, error)


def end_probe(job: Job, error: ProviderError) -> None:
    """Let the next probe through, or all calls if the error is a verdict of a service that works."""
    rows = list(CircuitBreaker.objects.filter(pk__in=keys_of(job), open_until__lte=clock.now()))
    if rows and isinstance(error, _VERDICTS):
        _count_success(job, rows)
    elif rows:
        _free_probe(rows)


def count_fail_over(*, keys: tuple[str, str], to: ImageModel) -> None:
    """Note in the incidents of open breakers that a job goes on with another model."""
    incident_records.count_fail_over(keys=keys, to=to)


@use_case(audited=False)
def _free_probe(rows: list[CircuitBreaker]) -> None:
    for row in rows:
        unchanged = CircuitBreaker.objects.filter(pk=row.pk, open_until=row.open_until)
        unchanged.update(probe_until=None)


@use_case()
def _count_success(job: Job, rows: list[CircuitBreaker]) -> None:
    now = clock.now()
    closed = []
    for row in rows:
        unchanged = CircuitBreaker.objects.filter(pk=row.pk, open_until=row.open_until)
        if row.open_until is not None:
            if unchanged.update(**_FRESH, window_started_at=now, recovery_concurrency=1):
                closed.append(row.key)
        elif row.recovery_concurrency:
            unchanged.update(recovery_concurrency=pacing.next_ramp(row.recovery_concurrency))
        elif (now - row.window_started_at).total_seconds() > pacing.WINDOW_SECONDS:
            unchanged.update(**_FRESH, window_started_at=now)
        else:
            unchanged.update(calls=F("calls") + 1, consecutive_failures=0)
    if closed:
        event_log.record(WATCH, "provider.resumed", subject=job.image_model.provider)
        incident_records.close_incidents(WATCH, keys=closed)
    else:
        skip_audit_event()


@use_case()
def _count_failure(job: Job, key: str, *, error: ProviderError, at_once: bool) -> None:
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
        incident_records.open_incident(WATCH, key=key, job=job, is_account=at_once, error=error)
    else:
        skip_audit_event()


def _locked(job: Job, key: str) -> CircuitBreaker:
    now = clock.now()
    try:
        with database.atomic():
            CircuitBreaker.objects.get_or_create(
                key=key,
                defaults={"provider_id": job.image_model.provider_id, "window_started_at": now},
            )
    except IntegrityError:
        pass
    row: CircuitBreaker = CircuitBreaker.objects.select_for_update().get(pk=key)
    return row


@use_case(audited=False)
def _claim_probe(row: CircuitBreaker) -> bool:
    """Claim the probe: the call that checks whether the provider works again.

    It keeps others away for a limited time: it may hang, or never be made.
    """
    now = clock.now()
    probing = 0.0 if row.open_until is None else (now - row.open_until).total_seconds()
    return bool(
        CircuitBreaker.objects.filter(pk=row.pk, open_until=row.open_until)
        .filter(Q(probe_until__isnull=True) | Q(probe_until__lt=now))
        .update(probe_until=now + timedelta(seconds=pacing.probe_seconds(probing)))
    )


def _calls_in_flight(job: Job) -> int:
    """Count the calls under way without those that may hang: they must not stop the others."""
    recent = clock.now() - timedelta(seconds=pacing.PROBE_SECONDS)
    return int(
        Attempt.objects.filter(
            image_model=job.image_model_id,
            live_job__isnull=False,
            sent_at__gte=recent,
            state__in=[AttemptState.SENT.value, AttemptState.ACCEPTED.value],
        ).count()
    )


def _account_key(job: Job) -> str:
    return str(job.image_model.provider_id)


def _key(job: Job) -> str:
    return f"{job.image_model.provider_id}:{job.image_model_id}:{job.operation}"
