"""Budgets, their periods and the ledger in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.admin.base import EMPTY, AnyModelForm, RecordAdmin, amount, link
from imagegen_app.admin.catalog import CatalogAdmin
from imagegen_app.models import Budget, BudgetPeriod, LedgerEntry

if TYPE_CHECKING:
    from typing import Any

    from django.utils.safestring import SafeString


class BudgetForm(AnyModelForm):
    """Require the one related object that the scope needs, and no other."""

    class Meta:
        model = Budget
        fields = [
            "name",
            "scope",
            "group",
            "user",
            "provider",
            "period",
            "limit",
            "currency",
            "warn_percent",
            "is_enabled",
        ]

    def clean(self) -> dict[str, Any] | None:
        data = super().clean() or {}
        for part in ("group", "user", "provider"):
            if data.get("scope") == part and not data.get(part):
                self.add_error(part, _("This scope requires it."))
            elif data.get("scope") != part and data.get(part):
                self.add_error(part, _("Leave this empty for this scope."))
        return data


@admin.register(Budget)
class BudgetAdmin(CatalogAdmin):
    """Limits for a scope and a period."""

    form = BudgetForm
    is_deletable = True
    list_display = ["name", "scope", "who", "period", "limit_text", "remaining", "is_enabled"]
    list_filter = ["scope", "period", "is_enabled"]
    list_select_related = ["group", "user", "provider"]
    search_fields = ["name"]
    ordering = ["name"]
    autocomplete_fields = ["user"]

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).prefetch_related("periods")

    @admin.display(description=gettext_lazy("applies to"))
    def who(self, obj: Budget) -> str:
        """Return the group, user or provider that it applies to."""
        return str(obj.group or obj.user or obj.provider or EMPTY)

    @admin.display(description=gettext_lazy("limit"), ordering="limit")
    def limit_text(self, obj: Budget) -> str:
        """Return the limit with its currency."""
        return amount(obj.limit, obj.currency)

    @admin.display(description=gettext_lazy("remaining in the last period"))
    def remaining(self, obj: Budget) -> str:
        """Return the amount remaining in the latest period."""
        last = max(obj.periods.all(), key=lambda p: p.starts_on, default=None)
        return amount(obj.limit if last is None else last.remaining, obj.currency)


@admin.register(BudgetPeriod)
class BudgetPeriodAdmin(RecordAdmin):
    """Amounts reserved and spent per budget and period."""

    list_display = ["budget", "starts_on", "limit", "reserved", "spent", "overage"]
    list_filter = ["budget"]
    list_select_related = ["budget"]
    ordering = ["-starts_on", "budget__name"]
    fields = ["budget", "starts_on", "limit", "reserved", "spent", "overage"]


@admin.register(LedgerEntry)
class LedgerEntryAdmin(RecordAdmin):
    """Entries of the ledger."""

    list_display = ["created_at", "kind", "purpose", "amount_text", "period", "job_link"]
    list_filter = ["kind", "purpose", "period__budget"]
    list_select_related = ["period__budget", "job"]
    ordering = ["-created_at", "-pk"]
    allowed_lookups = ["job", "period"]
    fields = ["created_at", "kind", "purpose", "amount_text", "period", "job_link", "attempt"]

    @admin.display(description=gettext_lazy("amount"), ordering="amount")
    def amount_text(self, obj: LedgerEntry) -> str:
        """Return the amount with its currency."""
        return amount(obj.amount, obj.period.budget.currency)

    @admin.display(description=gettext_lazy("job"))
    def job_link(self, obj: LedgerEntry) -> SafeString:
        """Return a link to the job."""
        return link(reverse("admin:imagegen_job_change", args=[obj.job_id]), obj.job)
