"""Budgets, their periods and the ledger in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.admin.base import EMPTY, AnyModelForm, RecordAdmin, amount, link
from imagegen_app.admin.catalog import CatalogAdmin
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Budget, BudgetPeriod, LedgerEntry, TextCall

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    ModelChoiceField = forms.ModelChoiceField[Any]
else:
    ModelChoiceField = forms.ModelChoiceField


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


class UserByLogin(ModelChoiceField):
    """A user, named by the login."""

    def __init__(self, queryset: Any, **options: Any) -> None:
        super().__init__(
            queryset,
            **{**options, "to_field_name": get_user_model().USERNAME_FIELD},
        )

    def prepare_value(self, value: Any) -> Any:
        """Return the login of a user, who may be given by the key; or what was typed."""
        if value not in (None, "") and not isinstance(value, str | models.Model):
            value = get_user_model()._default_manager.filter(pk=value).first()  # noqa: SLF001 - Django's documented API
        return super().prepare_value(value)


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

    def get_autocomplete_fields(self, request: HttpRequest) -> list[str]:
        """Complete users where the site's own admin of them can be searched."""
        users = self.admin_site._registry.get(get_user_model())  # noqa: SLF001 - no public look-up without an error
        return ["user"] if users is not None and users.get_search_fields(request) else []

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Have users named by their login where they cannot be completed: a list may be endless."""
        if db_field.name == "user" and not self.get_autocomplete_fields(request):
            kwargs |= {"form_class": UserByLogin, "widget": forms.TextInput}
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

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

    list_display = ["budget", "starts_on", "limited", "now_reserved", "now_spent", "over"]
    list_filter = ["budget"]
    list_select_related = ["budget"]
    ordering = ["-starts_on", "budget__name"]
    fields = ["budget", "starts_on", "limited", "now_reserved", "now_spent", "over"]

    @admin.display(description=gettext_lazy("limit"), ordering="limit")
    def limited(self, obj: BudgetPeriod) -> str:
        """Return the limit with its currency."""
        return amount(obj.limit, obj.budget.currency)

    @admin.display(description=gettext_lazy("reserved"), ordering="reserved")
    def now_reserved(self, obj: BudgetPeriod) -> str:
        """Return what is reserved with its currency."""
        return amount(obj.reserved, obj.budget.currency)

    @admin.display(description=gettext_lazy("spent"), ordering="spent")
    def now_spent(self, obj: BudgetPeriod) -> str:
        """Return what was spent with its currency."""
        return amount(obj.spent, obj.budget.currency)

    @admin.display(description=gettext_lazy("overage"), ordering="overage")
    def over(self, obj: BudgetPeriod) -> str:
        """Return what was spent beyond the limit with its currency."""
        return amount(obj.overage, obj.budget.currency)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(RecordAdmin):
    """Entries of the ledger."""

    list_display = ["created_at", "kind", "purpose", "amount_text", "period", "cause_link"]
    named = ["job"]
    list_filter = ["kind", "purpose", "period__budget"]
    list_select_related = ["period__budget", "job", "text_call"]
    ordering = ["-created_at", "-pk"]
    allowed_lookups = ["job", "text_call", "period"]
    fields = ["created_at", "kind", "purpose", "amount_text", "period", "cause_link", "attempt"]

    @admin.display(description=gettext_lazy("amount"), ordering="amount")
    def amount_text(self, obj: LedgerEntry) -> str:
        """Return the amount with its currency."""
        return amount(obj.amount, obj.period.budget.currency)

    @admin.display(description=gettext_lazy("for"))
    def cause_link(self, obj: LedgerEntry) -> SafeString:
        """Return a link to the job or the call for a text."""
        if obj.text_call_id is not None:
            return link(admin_url("imagegen_textcall_change", obj.text_call_id), obj.text_call)
        return link(admin_url("imagegen_job_change", obj.job_id), obj.job)


@admin.register(TextCall)
class TextCallAdmin(RecordAdmin):
    """Calls for texts that belong to no job."""

    list_display = ["created_at", "task", "state", "requester", "service", "model", "cost_text"]
    named = ["requester", "asset"]
    list_filter = ["task", "state"]
    list_select_related = ["requester"]
    ordering = ["-created_at", "-pk"]
    allowed_lookups = ["asset", "requester"]
    fields = [
        *("created_at", "ended_at", "task", "state", "requester", "asset", "language"),
        *("service", "model", "cost_text"),
    ]

    @admin.display(description=gettext_lazy("cost"), ordering="cost")
    def cost_text(self, obj: TextCall) -> str:
        """Return what the call cost; nothing while it is under way."""
        return amount(obj.cost, obj.currency) if obj.ended_at else EMPTY
