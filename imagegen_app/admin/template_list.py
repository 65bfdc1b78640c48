"""The list of prompt templates: what was made with each, and its filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app import database
from imagegen_app.admin.base import EMPTY, RecordAdmin
from imagegen_app.services.job_requests import template_publishing
from imagegen_app.services.library import template_usage

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    from imagegen_app.models import PromptTemplate

    _Filter = admin.SimpleListFilter
else:
    _Filter = admin.SimpleListFilter

#: Owners that are offered, by their names.
_MAX_OWNERS = 100


class MineFilter(_Filter):
    """Finds the templates of whoever looks, and those that they marked."""

    title = gettext_lazy("mine")
    parameter_name = "mine"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("owner", _("I am the owner")), ("favourite", _("My favourites"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "owner":
            return queryset.filter(owner=request.user)
        if self.value() == "favourite":
            return queryset.filter(favourites__person=request.user)
        return queryset


class OwnerFilter(_Filter):
    """Finds the templates of one owner, or those without any."""

    title = gettext_lazy("owner")
    parameter_name = "owned_by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        users = get_user_model()
        rows = database.accounts(users).filter(imagegen_templates__isnull=False).distinct()
        found = [
            (str(one.pk), one.get_username())
            for one in rows.order_by(users.USERNAME_FIELD)[:_MAX_OWNERS]
        ]
        return [*found, ("none", _("Nobody"))] if found else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = str(self.value() or "")
        if value == "none":
            return queryset.filter(owner__isnull=True)
        offered = {key for key, _label in self.lookup_choices}
        return queryset.filter(owner=value) if value in offered else queryset


class TemplateListAdmin(RecordAdmin):
    """The columns that tell what was made with a template."""

    list_display = [
        "name_and_purpose",
        "category",
        "owner",
        "published",
        "request_count",
        "approval",
        "is_archived",
    ]
    list_filter = ["category", MineFilter, OwnerFilter, "is_archived"]
    list_select_related = ["current__template", "owner"]
    list_display_links = ["name_and_purpose"]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Count what was made with all rows of the page at once."""
        changelist = super().get_changelist_instance(request)
        keys = [one.pk for one in changelist.result_list]
        uses, drafts = (
            template_usage.use_of_templates(keys),
            template_publishing.newest_drafts(keys),
        )
        for one in changelist.result_list:
            one.use = uses[one.pk]
            one.draft_number = drafts.get(one.pk)
        return changelist

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def name_and_purpose(self, obj: PromptTemplate) -> SafeString:
        """Return the name, and the purpose below it."""
        if not obj.purpose:
            return format_html("{}", obj.name)
        return format_html('{}<br><span class="help">{}</span>', obj.name, obj.purpose)

    @admin.display(description=gettext_lazy("published"))
    def published(self, obj: Any) -> str:
        """Return the number of the published version, and of a draft that is newer."""
        found = [] if obj.current is None else [f"v{obj.current.number}"]
        if obj.draft_number:
            found.append(_("draft v%(number)s") % {"number": obj.draft_number})
        return ", ".join(found) or EMPTY

    @admin.display(description=gettext_lazy("requests"))
    def request_count(self, obj: Any) -> int:
        """Return how often it was used."""
        return int(obj.use.request_count)

    @admin.display(description=gettext_lazy("approved"))
    def approval(self, obj: Any) -> str:
        """Return the share of the decided images that were approved."""
        share = obj.use.approval_percent
        return EMPTY if share is None else f"{share}\N{NO-BREAK SPACE}%"
