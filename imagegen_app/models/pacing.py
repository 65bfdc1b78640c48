"""Remember how fast a provider may be called, and whether it is worth calling at all."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from imagegen_app.models.base import Record
from imagegen_app.models.catalog import Provider


class RateLimitState(Record):
    """A provider account's rate-limit state, shared by all workers: when the next call may start."""

    provider = models.OneToOneField(
        Provider,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="throttle",
        verbose_name=_("provider"),
    )
    #: The theoretical arrival time: when the next call would come if all kept to the rate.
    next_call_at = models.DateTimeField(_("next call"))
    #: No call before this moment, since the provider has asked for quiet.
    cooldown_until = models.DateTimeField(_("paused until"))
    #: Refusals for being too fast, in a row.
    consecutive_refusals = models.PositiveIntegerField(_("consecutive refusals"), default=0)

    class Meta:
        verbose_name = _("rate limit")
        verbose_name_plural = _("rate limits")
        default_permissions = ()

    def __str__(self) -> str:
        return f"rate limit of {self.provider_id}"


class CircuitBreaker(Record):
    """Whether a provider, a model and an operation work at present; made with the first failure."""

    #: `provider` or `provider:model:operation`, by their keys.
    key = models.CharField(max_length=80, primary_key=True)
    provider = models.ForeignKey(
        Provider, on_delete=models.PROTECT, related_name="breakers", verbose_name=_("provider")
    )
    window_started_at = models.DateTimeField(_("counted since"))
    calls = models.PositiveIntegerField(_("calls"), default=0)
    failures = models.PositiveIntegerField(_("failures"), default=0)
    consecutive_failures = models.PositiveIntegerField(_("consecutive failures"), default=0)
    #: Open until then; empty while closed. After it, one probe is let through.
    open_until = models.DateTimeField(_("open until"), null=True, blank=True)
    #: Since when it has not been closed; the longer, the rarer it is probed.
    opened_at = models.DateTimeField(_("open since"), null=True, blank=True)
    #: The probe under way is believed lost then.
    probe_until = models.DateTimeField(_("probe running until"), null=True, blank=True)
    #: Calls at once that are let through after it has closed; 0 for all.
    recovery_concurrency = models.PositiveIntegerField(_("concurrent calls for now"), default=0)

    class Meta:
        verbose_name = _("circuit breaker")
        verbose_name_plural = _("circuit breakers")
        default_permissions = ()

    def __str__(self) -> str:
        return self.key
