"""Store what screeners and people decided about prompts, inputs and outputs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from imagegen_app.core.hard_categories import HardCategory
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.models.assets import Asset
from imagegen_app.models.base import Record, money
from imagegen_app.models.jobs import Job
from imagegen_app.models.labels import choices
from imagegen_app.models.relations import ForeignKey


class Verdict(Record):
    """What a screener or a person decided about a prompt, an input or an output."""

    job = ForeignKey(Job, on_delete=models.PROTECT, related_name="verdicts", verbose_name=_("job"))
    asset = ForeignKey(
        Asset,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="verdicts",
        verbose_name=_("asset"),
    )
    stage = models.CharField(
        _("checked content"),
        max_length=8,
        choices=[
            ("prompt", _("Prompt")),
            ("input", _("Input image")),
            ("output", _("Output image")),
            ("caption", _("Suggested alternative text")),
        ],
    )
    screener = models.CharField(_("content check"), max_length=80)
    outcome = models.CharField(_("outcome"), max_length=8, choices=choices(VerdictOutcome))
    categories: models.JSONField[Any, Any] = models.JSONField(
        _("categories"), default=list, blank=True
    )
    #: Scores by category, as text, since the audit log accepts no floats.
    scores: models.JSONField[Any, Any] = models.JSONField(_("scores"), default=dict, blank=True)
    #: The checked part as a code: `prompt`, `negative_prompt`, `input_image:2`.
    part = models.CharField(_("checked part"), max_length=80, blank=True)
    remedy = models.CharField(_("what to do"), max_length=300, blank=True)
    #: What the screener's call cost, in the job's currency.
    cost = money(verbose_name=_("cost"), default=0)
    #: The version of the service's model that decided.
    model = models.CharField(_("model"), max_length=200, blank=True)
    #: What nobody can release: such a verdict blocks, and no later decision changes that.
    hard_category = models.CharField(
        _("hard category"), max_length=20, blank=True, choices=choices(HardCategory)
    )
    #: Of an image in a hard category: the hash of the file, which itself is never stored.
    content_sha256 = models.CharField(_("SHA-256"), max_length=64, blank=True, db_index=True)
    decided_by = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("decided by"),
    )
    created_at = models.DateTimeField(_("decided"), auto_now_add=True)

    class Meta:
        verbose_name = _("verdict")
        verbose_name_plural = _("verdicts")
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome__in=[o.value for o in VerdictOutcome]),
                name="imagegen_verdict_outcome",
            ),
            models.CheckConstraint(
                condition=Q(hard_category="") | Q(outcome=VerdictOutcome.BLOCKED.value),
                name="imagegen_verdict_hard_is_blocked",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.screener}: {self.get_outcome_display()}"
