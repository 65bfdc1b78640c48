"""Store webhook deliveries, the workers' heartbeats, and when periodic runs last happened."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from imagegen_app.models.attempts import Attempt
from imagegen_app.models.base import Record
from imagegen_app.models.catalog import Provider
from imagegen_app.models.relations import ForeignKey


class WebhookDelivery(Record):
    """One webhook whose signature is valid, stored before its job is looked at."""

    provider = ForeignKey(
        Provider, on_delete=models.PROTECT, related_name="deliveries", verbose_name=_("provider")
    )
    #: The id that the provider gave the delivery; a repeated delivery has the same.
    delivery_id = models.CharField(_("delivery"), max_length=120)
    attempt = ForeignKey(
        Attempt,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="deliveries",
        verbose_name=_("attempt"),
    )
    #: Only headers of an allowlist; signatures are not stored.
    headers: models.JSONField[Any, Any] = models.JSONField(_("headers"), default=dict, blank=True)
    body_sha256 = models.CharField(_("SHA-256 of the body"), max_length=64)
    body = models.TextField(_("body"), blank=True)
    outcome = models.CharField(
        _("outcome"),
        max_length=10,
        choices=[
            ("received", _("Received")),
            ("applied", _("Applied")),
            ("ignored", _("Nothing to do")),
        ],
        default="received",
    )
    received_at = models.DateTimeField(_("received"), auto_now_add=True, db_index=True)
    applied_at = models.DateTimeField(_("applied"), null=True, blank=True)

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "delivery_id"], name="imagegen_delivery_once"
            ),
        ]

    def __str__(self) -> str:
        return self.delivery_id


class Worker(Record):
    """A worker process that has sent a heartbeat."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    engine = models.CharField(_("engine"), max_length=80)
    started_at = models.DateTimeField(_("started"))
    last_seen_at = models.DateTimeField(_("last seen"))
    stopped_at = models.DateTimeField(_("stopped"), null=True, blank=True)

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.name


class PeriodicRun(Record):
    """When a periodic action last ran, and the latest time slot that a process claimed for it."""

    name = models.CharField(max_length=40, primary_key=True)
    last_run_at = models.DateTimeField()
    #: Number of the time slot; claiming a slot once means that one process acts in it.
    slot = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = _("periodic run")
        verbose_name_plural = _("periodic runs")
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
