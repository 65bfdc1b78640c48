"""Remember within one worker which providers take no calls now, so that nobody asks in vain."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.db.models import Q

from imagegen_app.core.states import JobState

if TYPE_CHECKING:
    from datetime import datetime

    from imagegen_app.models import Job
    from imagegen_app.services.jobs.rate_limits import CallDeferred

#: Where another worker may free a place meanwhile, it is looked for again this soon.
MAX_PAUSE_SECONDS = 5.0


class PausedProviders:
    """The providers and models that take no calls now, until when, and how many jobs to claim."""

    def __init__(self, *, most: int) -> None:
        self._until: dict[tuple[int, int | None], float] = {}
        self._most = most
        self.claim_limit = most

    def pause(self, why: CallDeferred) -> None:
        """Keep a provider's or a model's queued jobs back for a while."""
        until = time.monotonic() + min(why.seconds, MAX_PAUSE_SECONDS)
        key = (why.provider, why.image_model)
        self._until[key] = max(until, self._until.get(key, 0.0))

    def resume(self, provider: int) -> None:
        """Look again: one of our own calls to the provider has ended."""
        self._until.pop((provider, None), None)

    def adjust_claim_limit(self, begun: int, *, refused: bool) -> None:
        """Learn from a round of claims: fewer at once where some had to wait, else more again."""
        self.claim_limit = max(1, begun + 1) if refused else min(self._most, 2 * self.claim_limit)

    def is_paused(self, job: Job, *, now: datetime) -> bool:
        """Return whether a claimed job is better given back."""
        if job.state != JobState.QUEUED or not self._live():
            return False
        if job.cancel_requested_at is not None or job.deadline_at <= now:
            return False
        model = job.image_model
        keys = {(model.provider_id, None), (model.provider_id, model.pk)}
        return not keys.isdisjoint(self._until)

    def excluded_jobs(self, *, now: datetime) -> Q | None:
        """Return the queued jobs that are not worth claiming, None for none of them."""
        closed = Q(pk__in=[])
        for provider, model in self._live():
            closed |= Q(image_model__provider=provider) if model is None else Q(image_model=model)
        if not self._until:
            return None
        return closed & Q(cancel_requested_at__isnull=True, deadline_at__gt=now)

    def seconds(self, longest: float) -> float:
        """Return how long to wait for the next opening, at most so long."""
        now = time.monotonic()
        return min([longest, *(max(0.005, until - now) for until in self._until.values())])

    def _live(self) -> dict[tuple[int, int | None], float]:
        now = time.monotonic()
        self._until = {key: until for key, until in self._until.items() if until > now}
        return self._until
