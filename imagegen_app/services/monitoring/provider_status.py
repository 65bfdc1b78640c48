"""Describe whether a provider accepts calls now, and if not, why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.services.foundation import clock
from imagegen_app.services.jobs import breaker, provider_limits

if TYPE_CHECKING:
    from imagegen_app.models import Job, Provider


def provider_status(provider: Provider) -> str:
    """Return a provider's status in a few words.

    Reads its related `rate_limit` and `breakers`; lists should fetch them together.
    """
    if not provider.is_enabled:
        return _("disabled")
    if any(row.open_until is not None for row in provider.breakers.all()):
        return _("paused after repeated failures")
    rate_limit = getattr(provider, "rate_limit", None)
    if rate_limit is not None and rate_limit.cooldown_until > clock.now():
        return _("paused: rate limit reached")
    return _("accepts calls")


def waiting_reason(job: Job) -> str:
    """Return why a queued job's call is delayed by its provider; empty if it is not."""
    if breaker.open_until(job) is not None:
        return _(
            "The provider's service is unavailable. Your job is kept and continues automatically."
        )
    if provider_limits.cooldown_until(job.image_model.provider) is not None:
        return _("The provider limits the number of requests. Your job continues automatically.")
    return ""
