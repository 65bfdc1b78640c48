"""The audit log in the admin: read-only, with events described as sentences."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib import admin
from django.db.models import Q
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.admin import list_search
from imagegen_app.admin.base import (
    EMPTY,
    RecordAdmin,
    definition_list,
    link,
)
from imagegen_app.admin.owned import severity_badge
from imagegen_app.admin.saved_views import SavedView
from imagegen_app.core import events
from imagegen_app.forms.admin_urls import find_admin_url
from imagegen_app.models import AuditEvent, Checkpoint
from imagegen_app.services.audit import descriptions
from imagegen_app.services.foundation import accounts, row_search, stored_messages

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString


class Subject(admin.SimpleListFilter):
    """Filter the log by kind of object; offers the registered models, without reading a row."""

    title = gettext_lazy("object")
    parameter_name = "object_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        registered = model_admin.admin_site.is_registered
        models = filter(registered, apps.get_app_config("imagegen").get_models())
        named = [(str(m._meta.model_name), capfirst(str(m._meta.verbose_name))) for m in models]  # noqa: SLF001 - Django's documented API
        return sorted(named, key=lambda entry: entry[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        condition = Q(object_type=self.value())
        return queryset.filter(row_search.any_of(AuditEvent, [condition]))


def _kinds(*beginnings: str) -> str:
    """Return the kinds of event that begin so, as a list filters by them."""
    return ",".join(kind for kind in events.EVENTS if kind.startswith(beginnings))


def _described(event: Any) -> descriptions.EventDescription:
    """Return the description of an event, made once for each row."""
    if not hasattr(event, "described"):
        (event.described,) = descriptions.describe_events([event])
    found: descriptions.EventDescription = event.described
    return found


@admin.register(AuditEvent)
class AuditEventAdmin(RecordAdmin):
    """Events of the audit log."""

    list_title = gettext_lazy("What happened")
    list_display = ["at", "description", "object_text", "severity_chip"]
    list_filter = ["severity", "actor_kind", Subject]
    search_fields = ["type"]
    searched_by = staticmethod(list_search.of_event)
    looked_up = ("type__in", "type", "severity__exact")
    search_help_text = gettext_lazy(
        "Event type, ID of an object, actor or request, or a person's name"
    )
    ordering = ["-at", "-pk"]
    saved_views = (
        SavedView(
            gettext_lazy("Decisions"),
            {"type__in": partial(_kinds, "review.", "asset.withdrawn", "asset.closed")},
        ),
        SavedView(
            gettext_lazy("Prompts read"), {"type__in": partial(_kinds, "asset.prompt_viewed")}
        ),
        SavedView(
            gettext_lazy("Set-up changes"),
            {
                "type__in": partial(
                    _kinds, "provider.", "model.", "grant.", "budget.", "credential."
                )
            },
        ),
    )
    allowed_lookups = ["job_id", "asset_id", "type", "type__in"]
    fields = [
        "sentence",
        "at",
        "type",
        "severity",
        "actor_text",
        "object_link",
        "fact_list",
        "erased",
        "position",
    ]

    def people_conditions(self, search_term: str) -> list[Q]:
        """Find a person's events by name too: the log itself holds only a pseudonym."""
        users = accounts.users_named(search_term)
        return [Q(actor_kind="person", actor_id__in=users)] if users else []

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Describe all events of the page at once, instead of with queries for each."""
        changelist = super().get_changelist_instance(request)
        rows = list(changelist.result_list)
        for row, described in zip(rows, descriptions.describe_events(rows), strict=True):
            row.described = described
        changelist.result_list = rows
        return changelist

    @admin.display(description=gettext_lazy("what happened"))
    def description(self, obj: Any) -> str:
        """Return the event as a sentence, prepared by `get_changelist_instance`."""
        return str(_described(obj).sentence)

    @admin.display(description=gettext_lazy("severity"), ordering="severity")
    def severity_chip(self, obj: AuditEvent) -> SafeString:
        """Return the severity as a chip."""
        return severity_badge(obj.severity, obj.get_severity_display())

    @admin.display(description=gettext_lazy("actor"))
    def actor_text(self, obj: AuditEvent) -> str:
        """Return the actor's name, or the pseudonym where the name was erased."""
        return _described(obj).actor

    @admin.display(description=gettext_lazy("about"))
    def object_text(self, obj: Any) -> SafeString | str:
        """Return a link to what the event is about, by its name."""
        return self._link(obj, _described(obj).object)

    @admin.display(description=gettext_lazy("what happened"))
    def sentence(self, obj: AuditEvent) -> str:
        """Return the event as a sentence."""
        return _described(obj).sentence

    @admin.display(description=gettext_lazy("object"))
    def object_link(self, obj: AuditEvent) -> SafeString | str:
        """Return a link to the object that the event is about."""
        return self._link(obj, _described(obj).object)

    def _link(self, obj: AuditEvent, text: str) -> SafeString | str:
        if not text:
            return EMPTY
        address = find_admin_url(f"imagegen_{obj.object_type}_change", obj.object_id)
        return link(address, text) if address else text

    @admin.display(description=gettext_lazy("details"))
    def fact_list(self, obj: AuditEvent) -> SafeString:
        """Return the event's facts."""
        return definition_list(_described(obj).facts)

    @admin.display(description=gettext_lazy("erased"))
    def erased(self, obj: AuditEvent) -> str:
        """Return which personal texts were erased."""
        erased = _described(obj).erased
        return ", ".join(stored_messages.fact_label(name) for name in erased) or EMPTY

    @admin.display(description=gettext_lazy("position in the sealed log"))
    def position(self, obj: AuditEvent) -> str:
        """Return the event's position in the sealed log."""
        seq = _described(obj).seq
        return _("not sealed yet") if seq is None else str(seq)


@admin.register(Checkpoint)
class CheckpointAdmin(RecordAdmin):
    """Signed statements of the log's size and root."""

    list_display = ["created_at", "size", "root", "places"]
    ordering = ["-size"]
    fields = ["created_at", "size", "root", "note", "places"]
    readonly_fields = ["places"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Fetch the copies of all rows at once."""
        return super().get_queryset(request).prefetch_related("copies")

    @admin.display(description=gettext_lazy("published to"))
    def places(self, obj: Checkpoint) -> str:
        """Return the names of the places that have a copy."""
        return ", ".join(copy.place for copy in obj.copies.all()) or EMPTY
