"""Workers, webhook deliveries and incidents in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.admin.base import (
    EMPTY,
    RecordAdmin,
    definition_list,
    link,
)
from imagegen_app.admin.owned import help_lines, state_badge
from imagegen_app.admin.saved_views import SavedView
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Incident, WebhookDelivery, Worker
from imagegen_app.services.foundation import error_help

if TYPE_CHECKING:
    from django.utils.safestring import SafeString


@admin.register(Worker)
class WorkerAdmin(RecordAdmin):
    """Worker processes and their heartbeats."""

    list_display = ["name", "engine", "started_at", "last_seen_at", "stopped_at"]
    ordering = ["-last_seen_at"]
    fields = ["name", "engine", "started_at", "last_seen_at", "stopped_at"]


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(RecordAdmin):
    """Webhook deliveries as they were received."""

    list_display = ["received_at", "provider", "outcome", "job_link", "delivery_id"]
    named = ["attempt"]
    list_filter = ["outcome", "provider"]
    list_select_related = ["provider", "attempt__job"]
    search_fields = ["delivery_id"]
    ordering = ["-received_at"]
    allowed_lookups = ["attempt"]
    fields = [
        "received_at",
        "provider",
        "outcome",
        "job_link",
        "delivery_id",
        "header_facts",
        "body_sha256",
        "applied_at",
    ]

    @admin.display(description=gettext_lazy("job"))
    def job_link(self, obj: WebhookDelivery) -> SafeString | str:
        """Return a link to the job."""
        if obj.attempt is None:
            return EMPTY
        return link(admin_url("imagegen_job_change", obj.attempt.job_id), obj.attempt.job)

    @admin.display(description=gettext_lazy("headers"))
    def header_facts(self, obj: WebhookDelivery) -> SafeString:
        """Return the stored headers."""
        return definition_list(obj.headers.items())


@admin.register(Incident)
class IncidentAdmin(RecordAdmin):
    """Outages, as the circuit breakers saw them."""

    list_display = ["what", "state", "opened_at", "closed_at", "error", "affected", "went_on"]
    list_filter = [("closed_at", admin.EmptyFieldListFilter), "provider"]
    list_select_related = ["provider", "image_model", "stand_in"]
    ordering = ["-opened_at", "-pk"]
    saved_views = (
        SavedView(gettext_lazy("Not over yet"), {"closed_at__isempty": "1"}),
        SavedView(gettext_lazy("Over"), {"closed_at__isempty": "0"}),
    )
    fields = ["what", "state", "opened_at", "closed_at", "error", "remedy", "affected", "went_on"]

    @admin.display(description=gettext_lazy("what failed"))
    def what(self, obj: Incident) -> str:
        """Return the model and its operation, or the provider."""
        return str(obj)

    @admin.display(description=gettext_lazy("state"))
    def state(self, obj: Incident) -> SafeString:
        """Return whether it is over, as a chip."""
        if obj.closed_at is None:
            return state_badge("failed", _("fails at present"))
        return state_badge("succeeded", _("over"))

    @admin.display(description=gettext_lazy("error"))
    def error(self, obj: Incident) -> str:
        """Return what the error means."""
        return error_help.error_title(obj.error_code) or obj.error_code

    @admin.display(description=gettext_lazy("what to do"))
    def remedy(self, obj: Incident) -> SafeString:
        """Return what to do about the error."""
        return help_lines(obj.error_code)

    @admin.display(description=gettext_lazy("jobs affected"))
    def affected(self, obj: Incident) -> str:
        """Return the number of jobs, which is counted at the end."""
        return EMPTY if obj.closed_at is None else str(obj.affected_count)

    @admin.display(description=gettext_lazy("went on with"))
    def went_on(self, obj: Incident) -> str:
        """Return the model that jobs went on with, and how many."""
        if obj.stand_in is None:
            return EMPTY
        told = {"model": obj.stand_in, "count": obj.failed_over_count}
        return _("%(model)s; jobs: %(count)s") % told
