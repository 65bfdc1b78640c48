"""Store the state of rate limits and circuit breakers, which all workers share, and past outages."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from imagegen_app.core.operations import Operation
from imagegen_app.models.base import Record
from imagegen_app.models.catalog import ImageModel, Provider
from imagegen_app.models.labels import choices
from imagegen_app.models.relations import ForeignKey


class RateLimitState(Record):
    """A provider account's rate-limit state: when the next call may start, and a cooldown."""

    provider = models.OneToOneField(
        Provider,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="rate_limit",
        verbose_name=_("provider"),
    )
    #: The theoretical arrival time of GCRA: when the next call is due if calls keep the rate.
    next_call_at = models.DateTimeField(_("next call"))
    #: No call before this time, since the provider refused one because of its rate limit.
    cooldown_until = models.DateTimeField(_("paused until"))
    #: Refusals because of the rate limit since the last accepted call.
    consecutive_refusals = models.PositiveIntegerField(_("consecutive refusals"), default=0)

    class Meta:
        verbose_name = _("rate limit")
        verbose_name_plural = _("rate limits")
        default_permissions = ()

    def __str__(self) -> str:
        return f"rate limit of {self.provider_id}"


class CircuitBreaker(Record):
    """Whether calls to a provider, or to one operation of a model, are stopped after failures.

    The row is created with the first failure.
    """

    #: Primary keys: `provider` or `provider:model:operation`.
    key = models.CharField(max_length=80, primary_key=True)
    provider = ForeignKey(
        Provider, on_delete=models.PROTECT, related_name="breakers", verbose_name=_("provider")
    )
    window_started_at = models.DateTimeField(_("counted since"))
    calls = models.PositiveIntegerField(_("calls"), default=0)
    failures = models.PositiveIntegerField(_("failures"), default=0)
    consecutive_failures = models.PositiveIntegerField(_("consecutive failures"), default=0)
    #: No calls until then; empty while closed. After that time, one probe is let through.
    open_until = models.DateTimeField(_("open until"), null=True, blank=True)
    #: Since when it has been open; the longer, the less often it is probed.
    opened_at = models.DateTimeField(_("open since"), null=True, blank=True)
    #: When the running probe counts as lost.
    probe_until = models.DateTimeField(_("probe running until"), null=True, blank=True)
    #: Concurrent calls that are let through after it has closed; 0 for no limit.
    recovery_concurrency = models.PositiveIntegerField(_("concurrent calls for now"), default=0)

    class Meta:
        verbose_name = _("circuit breaker")
        verbose_name_plural = _("circuit breakers")
        default_permissions = ()

    def __str__(self) -> str:
        return self.key


class Incident(Record):
    """One outage, as a circuit breaker saw it: from its opening to the first call that worked again."""

    #: The breaker's key while the incident is open; a breaker has one open incident.
    open_key = models.CharField(max_length=80, null=True, blank=True, unique=True)
    provider = ForeignKey(
        Provider, on_delete=models.PROTECT, related_name="incidents", verbose_name=_("provider")
    )
    #: Empty where the whole account is concerned.
    image_model = ForeignKey(
        ImageModel,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="incidents",
        verbose_name=_("image model"),
    )
    operation = models.CharField(
        _("operation"), max_length=20, blank=True, choices=choices(Operation)
    )
    opened_at = models.DateTimeField(_("since"), db_index=True)
    closed_at = models.DateTimeField(_("ended"), null=True, blank=True)
    #: The code of the error with which the last call failed before it opened.
    error_code = models.CharField(_("error"), max_length=40)
    #: Jobs that waited or failed meanwhile, counted when it ended.
    affected_count = models.PositiveIntegerField(_("jobs affected"), default=0)
    failed_over_count = models.PositiveIntegerField(_("jobs that went on elsewhere"), default=0)
    #: The model that the last of these jobs went on with.
    stand_in = ForeignKey(
        ImageModel,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("went on with"),
    )

    class Meta:
        verbose_name = _("incident")
        verbose_name_plural = _("incidents")
        default_permissions = ("view",)

    def __str__(self) -> str:
        if self.image_model is None:
            return str(self.provider)
        return f"{self.image_model}, {self.get_operation_display()}"
