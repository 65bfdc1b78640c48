"""Store the times in which calls to a provider, or to one of its models, were stopped after failures."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from imagegen_app.core.types import Operation
from imagegen_app.models.base import Record
from imagegen_app.models.catalog import ImageModel, Provider
from imagegen_app.models.labels import choices
from imagegen_app.models.relations import ForeignKey


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
