"""Remember within one worker which providers take no calls now, to claim no jobs of theirs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.db.models import Q

from imagegen_app.core.states import JobState

if TYPE_CHECKING:
    from datetime import datetime

    from imagegen_app.models import Job
    from imagegen_app.services.jobs.provider_limits import CallDeferred

#: A provider, with the model and the operation where the pause is about these alone.
_Key = tuple[int, int | None, str | None]
#: The longest pause, since another worker's call may end earlier and free a place.
MAX_PAUSE_SECONDS = 5.0


class PausedProviders:
    """The providers, models and operations that take no calls now, and how many jobs to claim."""

    def __init__(self, *, max_claims: int) -> None:
        self._until: dict[_Key, float] = {}
        self._max_claims = max_claims
        self.claim_limit = max_claims

    def pause(self, deferred: CallDeferred) -> None:
        """Claim no queued jobs of a provider or a model until its calls are possible again."""
        until = time.monotonic() + min(deferred.seconds, MAX_PAUSE_SECONDS)
        key = (deferred.provider, deferred.image_model, deferred.operation)
        self._until[key] = max(until, self._until.get(key, 0.0))

    def resume(self, provider: int) -> None:
        """End a provider's pause, since one of this worker's calls to it has ended."""
        self._until.pop((provider, None, None), None)

    def adjust_claim_limit(self, begun: int, *, refused: bool) -> None:
        """Set the next round's limit: `begun` + 1 if jobs were given back, else up to twice as many."""
        self.claim_limit = (
            max(1, begun + 1) if refused else min(self._max_claims, 2 * self.claim_limit)
        )

    def is_paused(self, job: Job, *, now: datetime) -> bool:
        """Return whether a claimed job has to wait for its provider or model."""
        if job.state != JobState.QUEUED or not self._live():
            return False
        if job.cancel_requested_at is not None or job.deadline_at <= now:
            return False
        model = job.image_model
        keys: set[_Key] = {
            (model.provider_id, None, None),
            (model.provider_id, model.pk, None),
            (model.provider_id, model.pk, job.operation),
        }
        return not keys.isdisjoint(self._until)

    def excluded_jobs(self, *, now: datetime) -> Q | None:
        """Return a filter for the queued jobs not to claim, or None if no provider is paused."""
        closed = Q(pk__in=[])
        for provider, model, operation in self._live():
            if model is None:
                closed |= Q(image_model__provider=provider)
            elif operation is None:
                closed |= Q(image_model=model)
            else:
                closed |= Q(image_model=model, operation=operation)
        if not self._until:
            return None
        return closed & Q(cancel_requested_at__isnull=True, deadline_at__gt=now)

    def seconds(self, longest: float) -> float:
        """Return the seconds until the next pause ends, at most `longest`."""
        now = time.monotonic()
        return min([longest, *(max(0.005, until - now) for until in self._until.values())])

    def _live(self) -> dict[_Key, float]:
        now = time.monotonic()
        self._until = {key: until for key, until in self._until.items() if until > now}
        return self._until
