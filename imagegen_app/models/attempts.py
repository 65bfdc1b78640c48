"""Store attempts: the calls to providers that are made for jobs."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from imagegen_app.core.ids import uuid7
from imagegen_app.core.states import LIVE_ATTEMPT_STATES, AttemptState, CostSource
from imagegen_app.models.base import Record, money
from imagegen_app.models.catalog import ImageModel
from imagegen_app.models.jobs import Job
from imagegen_app.models.labels import choices
from imagegen_app.models.relations import ForeignKey

_LIVE = sorted(s.value for s in LIVE_ATTEMPT_STATES)


class Attempt(Record):
    """One billable call to a provider made for a job; its id is the idempotency key."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    job = ForeignKey(Job, on_delete=models.PROTECT, related_name="attempts", verbose_name=_("job"))
    #: The job while the attempt is live, else null: being unique, it allows a job one live attempt.
    live_job = models.OneToOneField(
        Job,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="live_attempt",
        editable=False,
    )
    image_model = ForeignKey(
        ImageModel, on_delete=models.PROTECT, related_name="attempts", verbose_name=_("image model")
    )
    #: The version of the workflow that runs, for models that are workflows.
    workflow = ForeignKey(
        "WorkflowVersion",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="attempts",
        verbose_name=_("workflow"),
    )
    #: The answer that this attempt reads again, without a call and at no cost.
    rereads = ForeignKey(
        "KeptAnswer",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="rereadings",
        verbose_name=_("reads again"),
    )
    #: Counts the attempts of the job from 1.
    number = models.PositiveSmallIntegerField(pgettext_lazy("of an attempt", "number"))
    state = models.CharField(
        _("state"), max_length=10, choices=choices(AttemptState), default=AttemptState.CREATED.value
    )
    request_digest = models.CharField(_("request digest"), max_length=64)
    provider_ref = models.CharField(_("provider's reference"), max_length=200, blank=True)
    #: What the adapter keeps about the call; see `core.types.Call`.
    provider_state: models.JSONField[Any, Any] = models.JSONField(default=dict, blank=True)
    #: What the provider does at present, in its own word.
    provider_stage = models.CharField(_("stage at the provider"), max_length=60, blank=True)
    #: How many calls are before this one.
    queue_position = models.PositiveIntegerField(
        _("position in the provider's queue"), null=True, blank=True
    )
    #: When the provider forgets the result, as far as it says.
    result_expires_at = models.DateTimeField(_("result expires"), null=True, blank=True)
    #: What the provider said before there was a result; see `reported_currency`.
    reported_cost = money(verbose_name=_("cost as reported"), null=True, blank=True)
    reported_currency = models.CharField(max_length=3, blank=True)
    provider_request_id = models.CharField(_("provider's request ID"), max_length=200, blank=True)
    model_version = models.CharField(_("model version reported"), max_length=120, blank=True)
    #: Parameters as the provider applied them, by name, and what became of the prompt; see
    #: `core.types.ProviderResult`. Erased together with the prompt.
    resolved: models.JSONField[Any, Any] = models.JSONField(
        _("as the provider applied it"), default=dict, blank=True
    )
    #: Erased together with the prompt.
    revised_prompt = models.TextField(_("prompt as the provider reworded it"), blank=True)
    reserved_cost = money(verbose_name=_("reserved"), default=0)
    actual_cost = money(verbose_name=_("charged"), null=True, blank=True)
    #: Empty while nothing is charged, and where nothing was billed.
    cost_source = models.CharField(
        _("source of the charge"), max_length=10, choices=choices(CostSource), blank=True
    )
    #: When the price list of a computed charge was last compared with the provider's.
    priced_on = models.DateField(_("prices last checked"), null=True, blank=True)
    #: Of the unit that the price list's allowance is counted in.
    free_unit_count = models.DecimalField(
        _("units from the free allowance"), max_digits=18, decimal_places=6, default=0
    )
    is_resent_at_risk = models.BooleanField(
        _("resent although it may be billed twice"), default=False
    )
    error_code = models.CharField(_("error"), max_length=40, blank=True)
    error_detail = models.CharField(_("detail"), max_length=300, blank=True)
    #: Erased together with the prompt, which it may repeat.
    provider_message = models.TextField(_("the provider's explanation"), blank=True)
    poll_count = models.PositiveIntegerField(_("status polls"), default=0)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    answered_at = models.DateTimeField(_("answer received"), null=True, blank=True)
    #: The state folder that the answer is in, by its ID, and the host that wrote it there.
    answer_folder = models.CharField(max_length=32, blank=True, editable=False)
    answer_host = models.CharField(_("host with the answer"), max_length=80, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=[s.value for s in AttemptState]),
                name="imagegen_attempt_state",
            ),
            models.UniqueConstraint(fields=["job", "number"], name="imagegen_attempt_number_once"),
            models.CheckConstraint(
                condition=Q(state__in=_LIVE, live_job__isnull=False)
                | (~Q(state__in=_LIVE) & Q(live_job__isnull=True)),
                name="imagegen_attempt_live_is_marked",
            ),
            models.CheckConstraint(
                condition=Q(live_job__isnull=True) | Q(live_job=models.F("job")),
                name="imagegen_attempt_live_is_own",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="imagegen_attempt_newest"),
            models.Index(fields=["state", "-created_at", "-id"], name="imagegen_attempt_by_state"),
            # A provider's support names its requests by them.
            models.Index(fields=["provider_ref"], name="imagegen_attempt_ref"),
            models.Index(fields=["provider_request_id"], name="imagegen_attempt_request"),
        ]

    def __str__(self) -> str:
        return self.shown_name or f"{self.number} {str(self.id)[-8:]}"
