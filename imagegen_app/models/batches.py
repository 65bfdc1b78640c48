"""Store batches: many jobs from one template version and many rows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from imagegen_app.core.ids import uuid7
from imagegen_app.models.base import Record, money
from imagegen_app.models.brand_kits import BrandKitVersion
from imagegen_app.models.catalog import ImageModel
from imagegen_app.models.relations import ForeignKey
from imagegen_app.models.templates import TemplateVersion
from imagegen_app.models.uploaded_tables import UploadedTable


class Batch(Record):
    """Many jobs from one template version, one for each shot of each of many rows."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    template_version = ForeignKey(
        TemplateVersion,
        on_delete=models.PROTECT,
        related_name="batches",
        verbose_name=_("template"),
    )
    #: The brand kit of its template when it was started: all its rows have the same.
    brand_kit_version = ForeignKey(
        BrandKitVersion,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="batches",
        verbose_name=_("brand kit"),
    )
    requester = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="imagegen_batches",
        verbose_name=_("requested by"),
    )
    title = models.CharField(_("title"), max_length=120)
    mapping: models.JSONField[Any, Any] = models.JSONField(_("field mapping"), default=dict)
    #: Who started it, and with which key: the same actor and key give the same batch.
    actor_kind = models.CharField(_("kind of actor"), max_length=10)
    actor_id = models.CharField(_("actor"), max_length=64)
    idempotency_key = models.CharField(_("idempotency key"), max_length=64)
    image_model = ForeignKey(
        ImageModel,
        on_delete=models.PROTECT,
        related_name="batches",
        verbose_name=_("image model"),
    )
    #: The table whose rows it is made from; null for objects of the site, or once it was deleted.
    table = ForeignKey(
        UploadedTable,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="batches",
        verbose_name=_("uploaded table"),
    )
    #: Keys of the rows, in the order in which their jobs are created: primary keys of the objects,
    #: or what a table's column of keys says. Empty for a row of a table that has none.
    rows: models.JSONField[Any, Any] = models.JSONField(_("rows"), default=list)
    row_count = models.PositiveIntegerField(_("total rows"), default=0)
    #: Rows that were processed, whether or not a job could be created for them.
    prepared_rows = models.PositiveIntegerField(_("rows prepared"), default=0)
    #: The first rows for which no job could be created, each with the reason.
    invalid_rows: models.JSONField[Any, Any] = models.JSONField(_("invalid rows"), default=list)
    #: How many rows are processed before a person starts the rest, those that are skipped included;
    #: 0 for all.
    pilot_rows = models.PositiveIntegerField(_("pilot"), default=0)
    released_at = models.DateTimeField(_("rest started"), null=True, blank=True)
    paused_at = models.DateTimeField(_("paused"), null=True, blank=True)
    pause_reason = models.CharField(_("reason for the pause"), max_length=20, blank=True)
    spending_limit = money(verbose_name=_("spending limit"), null=True, blank=True)
    #: Pause above this share of failed jobs, once twenty jobs have ended; 0 for never.
    max_failure_percent = models.PositiveSmallIntegerField(
        _("pause above this failure rate (%)"), default=0
    )
    #: Pause after this many jobs that a screener blocked; 0 for never.
    max_blocked = models.PositiveIntegerField(_("pause after this many blocked rows"), default=0)
    rerun_requested_at = models.DateTimeField(_("failed rows re-run"), null=True, blank=True)
    #: Counters, updated in the same transaction as the state of each job.
    job_count = models.PositiveIntegerField(_("jobs"), default=0)
    succeeded = models.PositiveIntegerField(_("completed"), default=0)
    failed = models.PositiveIntegerField(_("failed"), default=0)
    blocked = models.PositiveIntegerField(_("blocked by content check"), default=0)
    cancelled = models.PositiveIntegerField(_("cancelled jobs"), default=0)
    spent = money(verbose_name=_("spent"), default=0)
    reserved = money(verbose_name=_("estimated"), default=0)
    currency = models.CharField(_("currency"), max_length=3, default="USD")
    cancelled_at = models.DateTimeField(_("cancelled"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        constraints = [
            models.UniqueConstraint(
                fields=["actor_kind", "actor_id", "idempotency_key"], name="imagegen_batch_key_once"
            ),
        ]
        indexes = [models.Index(fields=["-created_at"], name="imagegen_batch_newest")]

    def __str__(self) -> str:
        return self.title

    @property
    def shot_fields(self) -> dict[str, str]:
        """The shots of each row in their order, with the field that each is placed in, if any.

        Empty if its template has none.
        """
        # A list of pairs, since databases do not keep the order of an object's names.
        return {str(shot): str(field) for shot, field in self.mapping.get("shots", ())}

    @property
    def jobs_per_row(self) -> int:
        """How many jobs are made of a row that can be used."""
        return len(self.mapping.get("shots", ())) or 1
