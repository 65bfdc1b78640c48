"""A provider's rate limits, shared by all workers: calls per minute, concurrent calls, cooldown.

One conditional update by the database's clock takes a place (GCRA). The row stays locked until the
attempt is committed, so that concurrent calls are counted exactly.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.db import IntegrityError
from django.db.models import F, Q
from django.db.models.functions import Greatest

from imagegen_app import database
from imagegen_app.core import pacing
from imagegen_app.core.states import AttemptState
from imagegen_app.models import Attempt, RateLimitState
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from imagegen_app.models import Provider

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
#: Seconds after which a place is looked for again if all are taken; jitter is added.
FULL_SECONDS = 1.0
#: Seconds to wait while another call probes whether the provider still refuses calls.
PROBE_SECONDS = 0.5
_AT_ONCE = (AttemptState.CREATED.value, AttemptState.SENT.value, AttemptState.ACCEPTED.value)


class CallDeferred(Exception):
    """The call must wait; nothing is wrong with the job."""

    def __init__(
        self,
        seconds: float,
        *,
        provider: int,
        image_model: int | None = None,
        operation: str | None = None,
        is_breaker_open: bool = False,
    ) -> None:
        super().__init__(f"wait {seconds:.2f} s")
        self.seconds = seconds
        self.provider = provider
        #: Only this model's calls wait; None: all of the provider's.
        self.image_model = image_model
        #: Of that model, only the calls for this operation wait; None: all of them.
        self.operation = None if image_model is None else operation
        #: It waits because calls fail, not because there are too many.
        self.is_breaker_open = is_breaker_open


@use_case(audited=False, savepoint=False)
def acquire(provider: Provider, *, own: Attempt | None = None) -> None:
    """Take a place for one call; joins the transaction that creates its attempt.

    `own` is an attempt that already holds a place among the concurrent calls.

    :raises CallDeferred: with the time until there is a place; nothing was taken then.
    """
    is_calm = _step(provider, consecutive_refusals=0)
    if not is_calm and not _step(provider):
        raise CallDeferred(_wait(provider), provider=provider.pk)
    others = Attempt.objects.filter(
        live_job__isnull=False, image_model__provider=provider, state__in=_AT_ONCE
    )
    if own is not None:
        others = others.exclude(pk=own.pk)
    # The exception rolls the place in time back with the rest.
    if not is_calm and _is_probed(provider, others):
        raise CallDeferred(_jittered(PROBE_SECONDS), provider=provider.pk)
    if others.count() >= provider.max_in_flight:
        raise CallDeferred(_jittered(FULL_SECONDS), provider=provider.pk)


@use_case(audited=False)
def record_rate_limited(provider: Provider, *, named: float | None) -> float:
    """Start a provider's cooldown after a refusal and return its seconds; `named` is Retry-After."""
    _ensure_row(provider)
    row = RateLimitState.objects.get(pk=provider.pk)
    seconds = pacing.cooldown_seconds(row.consecutive_refusals, named=named)
    _start_cooldown(provider, seconds, refusals=1)
    return seconds


@use_case(audited=False)
def record_quota_used_up(provider: Provider, *, seconds: float) -> None:
    """Start a cooldown of `seconds`: the last answer asks for it, or says that a quota is used up."""
    _ensure_row(provider)
    _start_cooldown(provider, min(seconds, pacing.MAX_COOLDOWN_SECONDS), refusals=0)


def clear_refusals(provider: Provider) -> bool:
    """Reset the count of consecutive refusals; return whether there were any."""
    if not RateLimitState.objects.filter(pk=provider.pk, consecutive_refusals__gt=0).exists():
        return False
    _reset_refusals(provider)
    return True


@use_case(audited=False)
def _reset_refusals(provider: Provider) -> None:
    RateLimitState.objects.filter(pk=provider.pk).update(consecutive_refusals=0)


def cooldown_until(provider: Provider) -> datetime | None:
    """Return the end of a provider's cooldown, or None."""
    row = RateLimitState.objects.filter(pk=provider.pk, cooldown_until__gt=clock.ago(0)).first()
    return None if row is None else row.cooldown_until


def _start_cooldown(provider: Provider, seconds: float, *, refusals: int) -> None:
    until = clock.now() + timedelta(seconds=seconds)
    RateLimitState.objects.filter(pk=provider.pk).update(
        consecutive_refusals=F("consecutive_refusals") + refusals,
        cooldown_until=Greatest(F("cooldown_until"), until),
    )


def _is_probed(provider: Provider, others: QuerySet[Attempt]) -> bool:
    """Return whether another call already probes whether the provider still refuses calls."""
    row = RateLimitState.objects.get(pk=provider.pk)
    # One without a result for long may hang: it gives way to another one. A call that is about to be
    # sent counts as a probe, too.
    recent = clock.now() - timedelta(seconds=pacing.PROBE_SECONDS)
    probes = Q(sent_at__gte=max(row.cooldown_until, recent)) | Q(
        state=AttemptState.CREATED.value, created_at__gte=recent
    )
    return bool(row.consecutive_refusals) and others.filter(probes).exists()


def _step(provider: Provider, **fitting: object) -> bool:
    """Advance the next call's time if the call fits now; the row is locked from then on."""
    now = clock.ago(0)
    fits: dict[str, object] = {"cooldown_until__lte": now, **fitting}
    changes: dict[str, object] = {"next_call_at": F("next_call_at")}
    if provider.calls_per_minute:
        each = pacing.interval(provider.calls_per_minute)
        ahead = pacing.headroom(provider.calls_per_minute, provider.burst)
        fits["next_call_at__lte"] = clock.ago(-ahead.total_seconds())
        changes = {"next_call_at": Greatest(F("next_call_at"), now) + each}
    if RateLimitState.objects.filter(pk=provider.pk, **fits).update(**changes):
        return True
    if RateLimitState.objects.filter(pk=provider.pk).exists():
        return False
    _ensure_row(provider)
    return bool(RateLimitState.objects.filter(pk=provider.pk, **fits).update(**changes))


def _ensure_row(provider: Provider) -> None:
    if RateLimitState.objects.filter(pk=provider.pk).exists():
        return
    try:
        with database.atomic():
            RateLimitState.objects.create(
                provider=provider, next_call_at=_LONG_AGO, cooldown_until=_LONG_AGO
            )
    except IntegrityError:
        return


def _wait(provider: Provider) -> float:
    row, now = RateLimitState.objects.get(pk=provider.pk), clock.now()
    cooldown = max(0.0, (row.cooldown_until - now).total_seconds())
    if cooldown or not provider.calls_per_minute:
        return _jittered(cooldown)
    ahead = pacing.headroom(provider.calls_per_minute, provider.burst)
    return max(0.01, pacing.wait_seconds(row.next_call_at, now=now, ahead=ahead))


def _jittered(seconds: float) -> float:
    """Return a little more, never less: not all who wait come back in the same moment."""
    return max(0.02, seconds) + random.uniform(0, min(1.0, 0.02 + seconds / 4))  # noqa: S311 - jitter
