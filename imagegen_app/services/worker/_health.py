"""Take note of how calls go, so that all workers know what a provider can bear."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from imagegen_app.core.errors import ProviderError, RateLimited
from imagegen_app.core.types import Submission
from imagegen_app.services.jobs import breaker, rate_limits

if TYPE_CHECKING:
    from imagegen_app.models import Job
    from imagegen_app.services.worker._call_loop import CallResult

#: Where nothing was counted against a provider, it is looked at again after so long.
RECHECK_SECONDS = 0.5


class HealthMonitor:
    """Report this worker's call results to the rate limits and the circuit breakers.

    Its good answers are told to the others' breaker at most twice a second, so that failures in a row
    on another worker may open it that much sooner.
    """

    def __init__(self) -> None:
        #: When it was last seen that nothing speaks against a model's calls, by the steady clock.
        self._well: dict[tuple[int, str], float] = {}

    def record_result(self, job: Job, done: CallResult, *, of_submit: bool) -> None:
        """Count what came of one call: for the provider's pace, and for its breaker."""
        provider, error = job.image_model.provider, done.error
        if error is not None:
            self._well.clear()
        if isinstance(error, RateLimited):
            rate_limits.record_rate_limited(provider, named=error.retry_after)
        elif isinstance(error, ProviderError):
            breaker.record_failure(job, error)
        elif error is None and of_submit:
            if isinstance(done.result, Submission) and done.result.rate_limited_for:
                rate_limits.record_quota_used_up(provider, seconds=done.result.rate_limited_for)
            self._well_again(job)

    def _well_again(self, job: Job) -> None:
        """Forget what was counted; hundreds of good answers a second need not look each time."""
        key, now = (job.image_model_id, job.operation), time.monotonic()
        if now - self._well.get(key, -RECHECK_SECONDS) < RECHECK_SECONDS:
            return
        had_strikes = rate_limits.clear_refusals(job.image_model.provider)
        had_failures = breaker.record_success(job)
        if not had_strikes and not had_failures:
            self._well[key] = now
