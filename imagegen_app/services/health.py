"""Take note of how calls go, so that all workers know what a provider can bear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.errors import ProviderError, RateLimited
from imagegen_app.core.types import Submission
from imagegen_app.services import breaker, throttle

if TYPE_CHECKING:
    from imagegen_app.models import Job
    from imagegen_app.services.call_loop import Done


def heard(job: Job, done: Done, *, of_submit: bool) -> None:
    """Count what came of one call: for the provider's pace, and for its breaker."""
    provider, error = job.image_model.provider, done.error
    if isinstance(error, RateLimited):
        throttle.told_to_slow_down(provider, named=error.retry_after)
    elif isinstance(error, ProviderError):
        breaker.failed(job, error)
    elif error is None and of_submit:
        throttle.was_answered(provider)
        if isinstance(done.result, Submission) and done.result.full_for:
            throttle.will_be_full(provider, seconds=done.result.full_for)
        breaker.succeeded(job)
