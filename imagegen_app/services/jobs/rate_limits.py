"""Hold all workers together to a provider's pace: calls a minute, calls at once, and quiet when asked.

One conditional update by the database's clock takes a place (GCRA); the row stays locked until the
attempt is committed, so that the calls at once are counted exactly, too.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest

from imagegen_app.core import pacing
from imagegen_app.core.states import AttemptState
from imagegen_app.models import Attempt, RateLimitState
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from imagegen_app.models import Provider

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
#: Where all places are taken, one is looked for again after about so long.
FULL_SECONDS = 1.0
#: While the provider keeps asking for quiet, one call at a time finds out whether it still does.
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
        is_breaker_open: bool = False,
    ) -> None:
        super().__init__(f"wait {seconds:.2f} s")
        self.seconds = seconds
        self.provider = provider
        #: Only this model's calls wait; None: all of the provider's.
        self.image_model = image_model
        #: It waits since calls fail, not since there are too many.
        self.is_breaker_open = is_breaker_open


@use_case(audited=False, savepoint=False)
def acquire(provider: Provider, *, own: Attempt | None = None) -> None:
    """Take a place for one call; joins the transaction in which its attempt is made.

    `own` is an attempt that already holds a place among the calls at once.

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
    """Leave a provider alone for a while, for all workers; return for how many seconds."""
    _row(provider)
    row = RateLimitState.objects.get(pk=provider.pk)
    seconds = pacing.cooldown_seconds(row.consecutive_refusals, named=named)
    _close(provider, seconds, refusals=1)
    return seconds


@use_case(audited=False)
def record_quota_used_up(provider: Provider, *, seconds: float) -> None:
    """Leave a provider alone until its window ends: its last answer says that no call is left."""
    _row(provider)
    _close(provider, min(seconds, pacing.MAX_COOLDOWN_SECONDS), refusals=0)


def clear_refusals(provider: Provider) -> bool:
    """Forget the refusals in a row, and say whether there were any; writes only then."""
    if not RateLimitState.objects.filter(pk=provider.pk, consecutive_refusals__gt=0).exists():
        return False
    _reset_refusals(provider)
    return True


@use_case(audited=False)
def _reset_refusals(provider: Provider) -> None:
    RateLimitState.objects.filter(pk=provider.pk).update(consecutive_refusals=0)


def cooldown_until(provider: Provider) -> datetime | None:
    """Return until when a provider is left alone, None where it is not."""
    row = RateLimitState.objects.filter(pk=provider.pk, cooldown_until__gt=clock.ago(0)).first()
    return None if row is None else row.cooldown_until


def _close(provider: Provider, seconds: float, *, refusals: int) -> None:
    until = clock.now() + timedelta(seconds=seconds)
    RateLimitState.objects.filter(pk=provider.pk).update(
        consecutive_refusals=F("consecutive_refusals") + refusals,
        cooldown_until=Greatest(F("cooldown_until"), until),
    )


def _is_probed(provider: Provider, others: QuerySet[Attempt]) -> bool:
    """Return whether another call finds out already whether quiet is still asked for."""
    row = RateLimitState.objects.get(pk=provider.pk)
    # One that is about to be sent finds out, too.
    probes = Q(sent_at__gte=row.cooldown_until) | Q(state=AttemptState.CREATED.value)
    return bool(row.consecutive_refusals) and others.filter(probes).exists()


def _step(provider: Provider, **fitting: object) -> bool:
    """Move the arrival time on if the call fits, in one statement; the row is ours from then on."""
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
    _row(provider)
    return bool(RateLimitState.objects.filter(pk=provider.pk, **fits).update(**changes))


def _row(provider: Provider) -> None:
    if RateLimitState.objects.filter(pk=provider.pk).exists():
        return
    try:
        with transaction.atomic():
            RateLimitState.objects.create(
                provider=provider, next_call_at=_LONG_AGO, cooldown_until=_LONG_AGO
            )
    except IntegrityError:
        return


def _wait(provider: Provider) -> float:
    row, now = RateLimitState.objects.get(pk=provider.pk), clock.now()
    quiet = max(0.0, (row.cooldown_until - now).total_seconds())
    if quiet or not provider.calls_per_minute:
        return _jittered(quiet)
    ahead = pacing.headroom(provider.calls_per_minute, provider.burst)
    return max(0.01, pacing.wait_seconds(row.next_call_at, now=now, ahead=ahead))


def _jittered(seconds: float) -> float:
    """Return a little more, never less: not all who wait come back in the same moment."""
    return max(0.02, seconds) + random.uniform(0, min(1.0, 0.02 + seconds / 4))  # noqa: S311 - jitter
