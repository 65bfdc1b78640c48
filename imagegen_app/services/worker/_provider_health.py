"""Pass this worker's call results to the shared rate limits and circuit breakers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from imagegen_app.core.errors import ProviderError, RateLimited
from imagegen_app.core.types import Submission
from imagegen_app.services.jobs import breaker, provider_limits

if TYPE_CHECKING:
    from imagegen_app.models import Job
    from imagegen_app.services.worker._call_loop import CallResult

#: After a check found no counted failures of a model, seconds until the next check.
RECHECK_SECONDS = 0.5
_SERVER_ERRORS = range(500, 600)


class HealthMonitor:
    """Report this worker's call results to the rate limits and the circuit breakers.

    Successes are reported at most twice a second; consecutive failures on other workers may
    therefore open a breaker a little sooner.
    """

    def __init__(self) -> None:
        #: (model, operation) → monotonic time when no failures or refusals were counted for it.
        self._checked_healthy: dict[tuple[int, str], float] = {}

    def record_result(self, job: Job, done: CallResult, *, of_submit: bool) -> None:
        """Report one call's result; `of_submit` says that it was a submission, not a poll."""
        provider, error = job.image_model.provider, done.error
        if error is not None:
            self._checked_healthy.clear()
        if isinstance(error, RateLimited):
            provider_limits.record_rate_limited(provider, named=error.retry_after)
            breaker.end_probe(job, error)
        elif isinstance(error, ProviderError):
            breaker.record_failure(job, error)
            if error.retry_after is not None and (error.status or 0) in _SERVER_ERRORS:
                # It is the service that asks for a pause, not this one call.
                provider_limits.record_quota_used_up(provider, seconds=error.retry_after)
        elif error is None and of_submit:
            if isinstance(done.result, Submission) and done.result.rate_limited_for:
                provider_limits.record_quota_used_up(provider, seconds=done.result.rate_limited_for)
            self._clear_counts(job)

    def _clear_counts(self, job: Job) -> None:
        """Reset counted refusals and failures; skipped soon after a check that found none."""
        key, now = (job.image_model_id, job.operation), time.monotonic()
        if now - self._checked_healthy.get(key, -RECHECK_SECONDS) < RECHECK_SECONDS:
            return
        had_refusals = provider_limits.clear_refusals(job.image_model.provider)
        had_failures = breaker.record_success(job)
        if not had_refusals and not had_failures:
            self._checked_healthy[key] = now
