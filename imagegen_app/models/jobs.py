"""Store jobs."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from imagegen_app.core.ids import uuid7
from imagegen_app.core.limits import MAX_COUNT, MAX_KEY_CHARS, MAX_SHOT_KEY_CHARS
from imagegen_app.core.operations import Operation
from imagegen_app.core.states import (
    FINAL_STATES,
    JobState,
    WaitingReason,
)
from imagegen_app.models.base import Record, RecordQuerySet, money
from imagegen_app.models.batches import Batch
from imagegen_app.models.brand_kits import BrandKitVersion
from imagegen_app.models.catalog import ImageModel
from imagegen_app.models.labels import choices
from imagegen_app.models.relations import ForeignKey
from imagegen_app.models.sessions import StudioSession
from imagegen_app.models.templates import TemplateVersion

_FINAL = sorted(s.value for s in FINAL_STATES)
UNKNOWN_OUTCOME_POLICIES = [
    ("at_most_once", _("Never send again when the outcome is unknown")),
    ("at_least_once", _("Send again, and accept that it may be billed twice")),
]


class JobQuerySet(RecordQuerySet["Job"]):
    """Filters for jobs."""

    def unfinished(self) -> JobQuerySet:
        """Return the jobs that have not ended."""
        return self.exclude(state__in=_FINAL)

    def due(self, now: Any) -> JobQuerySet:
        """Return the jobs that a worker may claim now: due, not paused, and without a lease."""
        return self.filter(
            Q(lease_until__isnull=True) | Q(lease_until__lt=now),
            due_at__lte=now,
            is_held=False,
            state__in=[
                JobState.QUEUED.value,
                JobState.SUBMITTING.value,
                JobState.AWAITING.value,
                JobState.INGESTING.value,
                JobState.UNCERTAIN.value,
            ],
        )


class Job(Record):
    """One request for one or more images, by one requester."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    state = models.CharField(
        _("state"), max_length=12, choices=choices(JobState), default=JobState.QUEUED.value
    )
    operation = models.CharField(_("operation"), max_length=20, choices=choices(Operation))
    image_model = ForeignKey(
        ImageModel, on_delete=models.PROTECT, related_name="jobs", verbose_name=_("image model")
    )
    template_version = ForeignKey(
        TemplateVersion,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="jobs",
        verbose_name=_("template version"),
    )
    brand_kit_version = ForeignKey(
        BrandKitVersion,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="jobs",
        verbose_name=_("brand kit"),
    )
    batch = ForeignKey(
        Batch,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="jobs",
        # The indexes below begin with it.
        db_index=False,
        verbose_name=_("batch"),
    )
    session = ForeignKey(
        StudioSession,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="jobs",
        # The index below begins with it.
        db_index=False,
        verbose_name=_("studio session"),
    )
    #: Jobs that were requested together, to be compared, have the same.
    grid = models.UUIDField(_("grid"), null=True, blank=True, editable=False)
    #: Its place in the grid, row by row, from 0.
    grid_cell = models.PositiveSmallIntegerField(null=True, blank=True, editable=False)
    #: What differs across (`columns`) and down (`rows`), and the number of columns (`width`).
    grid_axes: models.JSONField[Any, Any] = models.JSONField(
        default=dict, blank=True, editable=False
    )
    replaces = ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="replacements",
        verbose_name=_("re-run of"),
    )
    #: The job that a person requested, if this one is a follow-up pass for it.
    root = ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="chain",
        verbose_name=_("follow-up pass of"),
    )
    #: The job whose image this follow-up pass works on.
    follows = ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="followers",
        verbose_name=_("continues from"),
    )
    #: Number of the chain's image that this follow-up pass works on, from 0.
    image_number = models.PositiveSmallIntegerField(_("image"), null=True, blank=True)
    #: Jobs of the whole chain: this one and the follow-up passes of all its images; 1 without any.
    chain_length = models.PositiveSmallIntegerField(_("follow-up passes"), default=1)
    #: Primary key of the object that a batch made this job for.
    row_key = models.CharField(_("row"), max_length=120, blank=True)
    #: The short name of the template's shot that it makes; empty without one.
    shot = models.CharField(_("shot"), max_length=MAX_SHOT_KEY_CHARS, blank=True)
    requester = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="imagegen_jobs",
        # The indexes below begin with it.
        db_index=False,
        verbose_name=_("requested by"),
    )
    #: Who requested it; unlike `requester` they remain when the user's account is deleted.
    actor_kind = models.CharField(_("kind of actor"), max_length=10)
    actor_id = models.CharField(_("actor"), max_length=64)

    prompt = models.TextField(_("prompt"), blank=True)
    negative_prompt = models.TextField(_("negative prompt"), blank=True)
    prompt_erased_at = models.DateTimeField(_("prompt erased"), null=True, blank=True)
    variables: models.JSONField[Any, Any] = models.JSONField(
        _("variables"), default=dict, blank=True
    )
    width = models.PositiveIntegerField(_("width"))
    height = models.PositiveIntegerField(_("height"))
    count = models.PositiveSmallIntegerField(
        _("images"), default=1, validators=[MinValueValidator(1), MaxValueValidator(MAX_COUNT)]
    )
    seed = models.BigIntegerField(_("seed"), null=True, blank=True)
    quality = models.CharField(_("quality"), max_length=20, blank=True)
    output_format = models.CharField(_("format"), max_length=10, default="png")
    background = models.CharField(_("background"), max_length=20, blank=True)
    parameters: models.JSONField[Any, Any] = models.JSONField(
        _("parameters"), default=dict, blank=True
    )

    #: By name and weight, in the order that they are added in.
    loras: models.JSONField[Any, Any] = models.JSONField("LoRA", default=list, blank=True)
    #: What somebody chose of `size`, `quality`, `output_format` and `background`, in the words that
    #: they chose it by, such as `16:9` or `high`. A fallback model must have that; what is missing
    #: was the model's own default, which each model has for itself.
    chosen: models.JSONField[Any, Any] = models.JSONField(
        _("chosen values"), default=dict, blank=True, editable=False
    )
    #: The follow-up passes that were requested for each image; see `core.passes`. They are jobs of
    #: their own, which are missing where this one was blocked or reuses images.
    passes: models.JSONField[Any, Any] = models.JSONField(
        _("requested follow-up passes"), default=list, blank=True, editable=False
    )

    #: See `core.fingerprint`.
    fingerprint = models.CharField(_("cache key"), max_length=64)
    request_digest = models.CharField(_("request digest"), max_length=64)
    # Null instead of empty: a unique constraint allows any number of rows with null.
    idempotency_key = models.CharField(  # noqa: DJ001 - see above
        _("idempotency key"), max_length=MAX_KEY_CHARS, null=True, blank=True
    )
    cached_from = ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="cached_jobs",
        verbose_name=_("reused from"),
    )

    unknown_outcome_policy = models.CharField(
        _("when the outcome is unknown"),
        max_length=14,
        choices=UNKNOWN_OUTCOME_POLICIES,
        default="at_most_once",
    )
    #: Whether its images ask for a review by themselves, since nobody looks at them in the studio.
    asks_for_review = models.BooleanField(_("asks for a review"), default=False, editable=False)
    priority = models.SmallIntegerField(_("priority"), default=0)
    #: Shares the queue fairly: requesters alternate, however many jobs each has queued.
    queue_order = models.PositiveBigIntegerField(_("queue order"), default=0)
    #: Whether no worker may claim it, since its batch is paused.
    is_held = models.BooleanField(_("held (batch paused)"), default=False)
    due_at = models.DateTimeField(_("next step due"), null=True, blank=True)
    deadline_at = models.DateTimeField(_("deadline"))
    #: The fencing token: grows with every claim, and a write with an older one changes nothing.
    lease_token = models.PositiveBigIntegerField(default=0)
    lease_owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    #: Leases that expired without progress; reset by every transition.
    expired_leases = models.PositiveSmallIntegerField(default=0)
    #: Why the present step cannot be taken; cleared by every transition.
    waiting_for = models.CharField(
        _("reason for waiting"), max_length=16, choices=choices(WaitingReason), blank=True
    )
    waiting_since = models.DateTimeField(_("waiting since"), null=True, blank=True)
    #: How often the present step was put off for this reason.
    wait_count = models.PositiveIntegerField(default=0)
    tries = models.PositiveSmallIntegerField(_("attempts so far"), default=0)
    cancel_requested_at = models.DateTimeField(_("cancel requested"), null=True, blank=True)
    provider_cancel_requested_at = models.DateTimeField(null=True, blank=True)
    progress = models.FloatField(_("progress"), null=True, blank=True)
    #: Counts the previews of the call under way; 0 if none is stored. See `JobPreview`.
    preview_number = models.PositiveSmallIntegerField(default=0, editable=False)

    #: For the images, their screening and their captions.
    estimated_cost = money(verbose_name=_("estimated cost"), default=0)
    #: The part of the estimate for screening and captions.
    estimated_extras = money(
        verbose_name=_("estimated cost of content checks and alternative texts"), default=0
    )
    #: What screening has cost so far; included in `actual_cost` when the job ends.
    screening_cost = money(verbose_name=_("cost of content checks"), default=0)
    #: What captions have cost so far; included in `actual_cost` when the job ends.
    captioning_cost = money(verbose_name=_("cost of alternative texts"), default=0)
    actual_cost = money(verbose_name=_("cost"), null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, default="USD")

    error_code = models.CharField(_("error"), max_length=40, blank=True)
    error_message = models.CharField(_("what happened"), max_length=300, blank=True)
    error_remedy = models.CharField(_("what to do"), max_length=300, blank=True)

    created_at = models.DateTimeField(_("requested"), auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects: ClassVar[Any] = JobQuerySet.as_manager()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=[s.value for s in JobState]), name="imagegen_job_state"
            ),
            models.CheckConstraint(
                condition=Q(count__gte=1, count__lte=MAX_COUNT), name="imagegen_job_count"
            ),
            models.CheckConstraint(
                condition=Q(state__in=_FINAL) | Q(due_at__isnull=False),
                name="imagegen_job_unfinished_is_due",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=_FINAL) | Q(finished_at__isnull=False),
                name="imagegen_job_final_has_end_time",
            ),
            models.UniqueConstraint(
                fields=["actor_kind", "actor_id", "idempotency_key"],
                name="imagegen_job_key_once",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "due_at"], name="imagegen_job_due"),
            models.Index(
                fields=["state", "-priority", "queue_order"], name="imagegen_job_queue_order"
            ),
            models.Index(
                fields=["requester", "state", "queue_order"], name="imagegen_job_requester_order"
            ),
            models.Index(fields=["batch", "state"], name="imagegen_job_of_batch"),
            models.Index(fields=["session", "-created_at"], name="imagegen_job_of_session"),
            models.Index(fields=["-created_at", "-id"], name="imagegen_job_newest"),
            models.Index(
                fields=["requester", "-created_at", "-id"], name="imagegen_job_by_requester"
            ),
            models.Index(fields=["fingerprint", "state"], name="imagegen_job_fingerprint"),
            # The list of jobs by their state, and what it is searched for.
            models.Index(fields=["state", "-created_at", "-id"], name="imagegen_job_by_state"),
            models.Index(fields=["error_code", "-created_at"], name="imagegen_job_by_error"),
            models.Index(fields=["row_key"], name="imagegen_job_row_key"),
            models.Index(fields=["grid", "grid_cell"], name="imagegen_job_of_grid"),
        ]
        permissions = [
            ("request_job", "Can request images"),
            ("cancel_any_job", "Can cancel other people's jobs"),
            ("resolve_job", "Can close or resend jobs of unknown outcome"),
            ("view_prompt", "Can read other people's prompts"),
            ("view_costs", "Can see costs and budgets"),
        ]

    def __str__(self) -> str:
        return self.shown_name or f"{self.get_operation_display()} {str(self.id)[-8:]}"

    @property
    def is_final(self) -> bool:
        return JobState(self.state) in FINAL_STATES
