"""Tell people whether a provider takes calls now, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.services.foundation import clock
from imagegen_app.services.jobs import breaker, rate_limits

if TYPE_CHECKING:
    from imagegen_app.models import Job, Provider


def told(provider: Provider) -> str:
    """Return a provider's condition in a few words; reads `throttle` and `breakers` where fetched."""
    if not provider.is_enabled:
        return _("switched off")
    if any(row.open_until is not None for row in provider.breakers.all()):
        return _("paused, because it keeps failing")
    quiet = getattr(provider, "throttle", None)
    if quiet is not None and quiet.closed_until > clock.now():
        return _("left alone, as it asked for")
    return _("takes calls")


def why_waiting(job: Job) -> str:
    """Return why a queued job's call is kept back; empty where it is not."""
    if breaker.open_until(job) is not None:
        return _("The provider is out of order. Your request is kept and goes on by itself.")
    if rate_limits.quiet_until(job.image_model.provider) is not None:
        return _("The provider asked us to slow down. Your request goes on by itself.")
    return ""
