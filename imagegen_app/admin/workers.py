"""Workers and webhook deliveries in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.utils.translation import gettext_lazy

from imagegen_app.admin.base import (
    EMPTY,
    RecordAdmin,
    definition_list,
    link,
)
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import WebhookDelivery, Worker

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
