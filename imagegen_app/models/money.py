"""Store budgets, their counters for each period, and the ledger entries behind the counters."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from imagegen_app.models.attempts import Attempt
from imagegen_app.models.base import Record, money
from imagegen_app.models.catalog import Provider
from imagegen_app.models.jobs import Job
from imagegen_app.models.relations import ForeignKey
from imagegen_app.models.text_calls import TextCall

SCOPES = [
    ("site", _("Everybody")),
    ("group", _("One group")),
    ("user", _("One person")),
    ("provider", _("One provider")),
]
PERIODS = [("total", _("In total")), ("month", _("Per month")), ("day", _("Per day"))]
ENTRY_KINDS = [
    ("reservation", _("Reservation")),
    ("charge", _("Charge")),
    ("release", _("Release")),
    ("overage", _("Overage")),
]


PURPOSES = [
    ("images", _("Images")),
    ("screening", _("Content checks")),
    ("captioning", _("Alternative texts")),
    ("writing", _("Prompts")),
]


class Budget(Record):
    """A spending limit for a scope and a period."""

    name = models.CharField(_("name"), max_length=80)
    scope = models.CharField(_("applies to"), max_length=10, choices=SCOPES)
    group = ForeignKey(
        Group,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("group"),
    )
    user = ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("person"),
    )
    provider = ForeignKey(
        Provider,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("provider"),
    )
    period = models.CharField(_("period"), max_length=6, choices=PERIODS, default="month")
    limit = money(verbose_name=_("limit"), validators=[MinValueValidator(Decimal(0))])
    currency = models.CharField(_("currency"), max_length=3, default="USD")
    warn_percent = models.PositiveSmallIntegerField(
        _("warning threshold (%)"),
        default=80,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("budget")
        verbose_name_plural = _("budgets")
        constraints = [
            models.CheckConstraint(condition=Q(limit__gte=0), name="imagegen_budget_limit"),
            models.CheckConstraint(
                condition=Q(scope="site", group=None, user=None, provider=None)
                | Q(scope="group", group__isnull=False, user=None, provider=None)
                | Q(scope="user", group=None, user__isnull=False, provider=None)
                | Q(scope="provider", group=None, user=None, provider__isnull=False),
                name="imagegen_budget_scope",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class BudgetPeriod(Record):
    """The counters of one budget in one period; a check constraint keeps them within the limit."""

    budget = ForeignKey(
        Budget, on_delete=models.PROTECT, related_name="periods", verbose_name=_("budget")
    )
    starts_on = models.DateField(_("from"))
    #: Copied from the budget, so that the check constraint can compare with it.
    limit = money(verbose_name=_("limit"))
    reserved = money(verbose_name=_("reserved"), default=0)
    spent = money(verbose_name=_("spent"), default=0)
    #: What providers billed beyond the reserved amounts and beyond the limit.
    overage = money(verbose_name=_("overage"), default=0)

    class Meta:
        verbose_name = _("budget period")
        verbose_name_plural = _("budget periods")
        constraints = [
            models.UniqueConstraint(fields=["budget", "starts_on"], name="imagegen_period_once"),
            models.CheckConstraint(
                condition=Q(reserved__gte=0, spent__gte=0, overage__gte=0),
                name="imagegen_period_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(limit__gte=F("reserved") + F("spent")),
                name="imagegen_period_within_limit",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.budget} {self.starts_on}"

    @property
    def remaining(self) -> Decimal:
        """The amount that can still be reserved."""
        return Decimal(self.limit - self.reserved - self.spent)


class LedgerEntry(Record):
    """One reservation, charge, release or overage of a budget."""

    period = ForeignKey(
        BudgetPeriod,
        on_delete=models.PROTECT,
        related_name="entries",
        verbose_name=_("budget period"),
    )
    #: What it is for: a job, or a call for a text that belongs to none.
    job = ForeignKey(
        Job,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="ledger",
        verbose_name=_("job"),
    )
    text_call = ForeignKey(
        TextCall,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="ledger",
        verbose_name=_("text call"),
    )
    attempt = ForeignKey(
        Attempt,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="ledger",
        verbose_name=_("attempt"),
    )
    kind = models.CharField(_("kind"), max_length=12, choices=ENTRY_KINDS)
    #: What a charge is for; a reservation is for all purposes of its job.
    purpose = models.CharField(_("paid for"), max_length=12, choices=PURPOSES, default="images")
    amount = money(verbose_name=_("amount"))
    created_at = models.DateTimeField(_("booked"), auto_now_add=True)

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger entries")
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=0), name="imagegen_ledger_amount"),
            models.CheckConstraint(
                condition=Q(kind__in=[k for k, _label in ENTRY_KINDS]), name="imagegen_ledger_kind"
            ),
            models.CheckConstraint(
                condition=Q(job__isnull=False, text_call__isnull=True)
                | Q(job__isnull=True, text_call__isnull=False),
                name="imagegen_ledger_one_cause",
            ),
        ]
        indexes = [
            models.Index(fields=["period", "created_at"], name="imagegen_ledger_period"),
            models.Index(fields=["-created_at", "-id"], name="imagegen_ledger_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.amount}"

    @property
    def cause(self) -> Job | TextCall:
        """What the money is for."""
        if self.job is not None:
            return self.job
        if self.text_call is not None:
            return self.text_call
        raise ValueError("an entry of the ledger belongs to a job or to a call for a text")
