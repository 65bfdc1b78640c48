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
from imagegen_app.models import Attempt, Throttle
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


class NotNow(Exception):
    """The call must wait; nothing is wrong with the job."""

    def __init__(
        self,
        seconds: float,
        *,
        provider: int,
        image_model: int | None = None,
        is_broken: bool = False,
    ) -> None:
        super().__init__(f"wait {seconds:.2f} s")
        self.seconds = seconds
        self.provider = provider
        #: Only this model's calls wait; None: all of the provider's.
        self.image_model = image_model
        #: It waits since calls fail, not since there are too many.
        self.is_broken = is_broken


@use_case(silent=True, joins=True)
def take(provider: Provider, *, own: Attempt | None = None) -> None:
    """Take a place for one call; joins the transaction in which its attempt is made.

    `own` is an attempt that already holds a place among the calls at once.

    :raises NotNow: with the time until there is a place; nothing was taken then.
    """
    is_calm = _step(provider, strikes=0)
    if not is_calm and not _step(provider):
        raise NotNow(_wait(provider), provider=provider.pk)
    others = Attempt.objects.filter(
        live_job__isnull=False, image_model__provider=provider, state__in=_AT_ONCE
    )
    if own is not None:
        others = others.exclude(pk=own.pk)
    # The exception rolls the place in time back with the rest.
    if not is_calm and _is_probed(provider, others):
        raise NotNow(_jittered(PROBE_SECONDS), provider=provider.pk)
    if others.count() >= provider.max_in_flight:
        raise NotNow(_jittered(FULL_SECONDS), provider=provider.pk)


@use_case(silent=True)
def told_to_slow_down(provider: Provider, *, named: float | None) -> float:
    """Leave a provider alone for a while, for all workers; return for how many seconds."""
    _row(provider)
    row = Throttle.objects.get(pk=provider.pk)
    seconds = pacing.quiet_seconds(row.strikes, named=named)
    _close(provider, seconds, strikes=1)
    return seconds


@use_case(silent=True)
def will_be_full(provider: Provider, *, seconds: float) -> None:
    """Leave a provider alone until its window ends: its last answer says that no call is left."""
    _row(provider)
    _close(provider, min(seconds, pacing.LONGEST_QUIET_SECONDS), strikes=0)


def was_answered(provider: Provider) -> bool:
    """Forget the refusals in a row, and say whether there were any; writes only then."""
    if not Throttle.objects.filter(pk=provider.pk, strikes__gt=0).exists():
        return False
    _forget_strikes(provider)
    return True


@use_case(silent=True)
def _forget_strikes(provider: Provider) -> None:
    Throttle.objects.filter(pk=provider.pk).update(strikes=0)


def quiet_until(provider: Provider) -> datetime | None:
    """Return until when a provider is left alone, None where it is not."""
    row = Throttle.objects.filter(pk=provider.pk, closed_until__gt=clock.ago(0)).first()
    return None if row is None else row.closed_until


def _close(provider: Provider, seconds: float, *, strikes: int) -> None:
    until = clock.now() + timedelta(seconds=seconds)
    Throttle.objects.filter(pk=provider.pk).update(
        strikes=F("strikes") + strikes, closed_until=Greatest(F("closed_until"), until)
    )


def _is_probed(provider: Provider, others: QuerySet[Attempt]) -> bool:
    """Say whether another call finds out already whether quiet is still asked for."""
    row = Throttle.objects.get(pk=provider.pk)
    # One that is about to be sent finds out, too.
    probes = Q(sent_at__gte=row.closed_until) | Q(state=AttemptState.CREATED.value)
    return bool(row.strikes) and others.filter(probes).exists()


def _step(provider: Provider, **fitting: object) -> bool:
    """Move the arrival time on if the call fits, in one statement; the row is ours from then on."""
    now = clock.ago(0)
    fits: dict[str, object] = {"closed_until__lte": now, **fitting}
    changes: dict[str, object] = {"next_at": F("next_at")}
    if provider.calls_per_minute:
        each = pacing.interval(provider.calls_per_minute)
        ahead = pacing.headroom(provider.calls_per_minute, provider.burst)
        fits["next_at__lte"] = clock.ago(-ahead.total_seconds())
        changes = {"next_at": Greatest(F("next_at"), now) + each}
    if Throttle.objects.filter(pk=provider.pk, **fits).update(**changes):
        return True
    if Throttle.objects.filter(pk=provider.pk).exists():
        return False
    _row(provider)
    return bool(Throttle.objects.filter(pk=provider.pk, **fits).update(**changes))


def _row(provider: Provider) -> None:
    if Throttle.objects.filter(pk=provider.pk).exists():
        return
    try:
        with transaction.atomic():
            Throttle.objects.create(provider=provider, next_at=_LONG_AGO, closed_until=_LONG_AGO)
    except IntegrityError:
        return


def _wait(provider: Provider) -> float:
    row, now = Throttle.objects.get(pk=provider.pk), clock.now()
    quiet = max(0.0, (row.closed_until - now).total_seconds())
    if quiet or not provider.calls_per_minute:
        return _jittered(quiet)
    ahead = pacing.headroom(provider.calls_per_minute, provider.burst)
    return max(0.01, pacing.wait_seconds(row.next_at, now=now, ahead=ahead))


def _jittered(seconds: float) -> float:
    """Return a little more, never less: not all who wait come back in the same moment."""
    return max(0.02, seconds) + random.uniform(0, min(1.0, 0.02 + seconds / 4))  # noqa: S311 - jitter
