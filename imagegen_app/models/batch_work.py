"""Store what people asked for on a batch's pages and a worker does later: new jobs, placements."""

from __future__ import annotations

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils.translation import gettext_lazy as _

from imagegen_app.models.assets import Asset
from imagegen_app.models.base import Record
from imagegen_app.models.batches import Batch
from imagegen_app.models.jobs import Job
from imagegen_app.models.relations import ForeignKey


class RequestedRerun(Record):
    """A new job that somebody asked for in place of an ended one of a batch; deleted once it is there."""

    batch = ForeignKey(
        Batch, on_delete=models.PROTECT, related_name="requested_reruns", verbose_name=_("batch")
    )
    #: One row for each ended job, so that a button pressed twice asks for one new job.
    job = models.OneToOneField(
        Job, on_delete=models.PROTECT, related_name="requested_rerun", verbose_name=_("job")
    )
    #: Whether the new job has another seed than the ended one; else it is the same request again.
    has_new_seed = models.BooleanField(_("new seed"), default=False)
    #: Who asked, under whose grants and budgets the new job is requested.
    requester = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="imagegen_requested_reruns",
        verbose_name=_("requested by"),
    )
    #: Why no job was created; empty while it waits for a worker.
    refusal = models.CharField(_("why it was refused"), max_length=300, blank=True)
    requested_at = models.DateTimeField(_("requested"), auto_now_add=True)

    class Meta:
        verbose_name = _("requested re-run")
        verbose_name_plural = _("requested re-runs")
        default_permissions = ()
        indexes = [models.Index(fields=["batch", "refusal"], name="imagegen_rerun_waiting")]

    def __str__(self) -> str:
        return str(self.job)


class ScheduledPlacement(Record):
    """An approved asset that a worker places in a field of an object at a later time."""

    class State(models.TextChoices):
        """What became of it."""

        WAITING = "waiting", _("waiting")
        PLACED = "placed", _("placed")
        #: Refused when it was due, for the stored reason.
        DROPPED = "dropped", _("not placed")
        CANCELLED = "cancelled", _("cancelled")

    asset = ForeignKey(
        Asset,
        on_delete=models.PROTECT,
        related_name="scheduled_placements",
        verbose_name=_("asset"),
    )
    batch = ForeignKey(
        Batch,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="scheduled_placements",
        verbose_name=_("batch"),
    )
    content_type = ForeignKey(ContentType, on_delete=models.PROTECT, related_name="+")
    object_id = models.CharField(max_length=64)
    target = GenericForeignKey("content_type", "object_id")
    field = models.CharField(_("field"), max_length=80)
    object_label = models.CharField(_("content"), max_length=200)
    #: The field's value when it was scheduled: if somebody has changed it since, nothing is placed.
    present_value = models.CharField(max_length=300, blank=True)
    requester = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="imagegen_scheduled_placements",
        verbose_name=_("scheduled by"),
    )
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.WAITING
    )
    #: While it waits, the field of the object: one image at a time is scheduled for it. MySQL knows no
    #: unique constraint with a condition, but leaves out rows with null.
    slot = models.CharField(max_length=200, unique=True, null=True, editable=False)  # noqa: DJ001 - see above
    #: When it is placed; after a failure of the storage, when that is tried again.
    due_at = models.DateTimeField(_("place on"))
    #: How often it ended with an error that is not a refusal.
    failures = models.PositiveSmallIntegerField(default=0, editable=False)
    #: Why it was not placed.
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("scheduled placement")
        verbose_name_plural = _("scheduled placements")
        default_permissions = ()
        indexes = [
            models.Index(fields=["state", "due_at"], name="imagegen_scheduled_due"),
            models.Index(fields=["batch", "state"], name="imagegen_scheduled_of_batch"),
        ]

    def __str__(self) -> str:
        return f"{self.object_label}.{self.field}"
