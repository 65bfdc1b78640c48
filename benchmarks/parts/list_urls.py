"""Our admin, and Django's own lists of the same tables: same columns, order, filters and search."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.urls import path

from imagegen_app.models import Asset, Attempt, AuditEvent, Job
from project.urls import urlpatterns as demo_urls

stock = admin.AdminSite(name="stock")


def _register(model: Any, **options: Any) -> None:
    stock.register(model, type(f"Stock{model.__name__}", (admin.ModelAdmin,), options))


_register(
    Asset,
    list_display=["title", "review_state", "created_at"],
    list_filter=["review_state", "c2pa_state", "job__image_model"],
    search_fields=["title", "alt_text"],
    ordering=["-created_at"],
    list_per_page=50,
)
_register(
    Job,
    list_display=["created_at", "state", "operation", "image_model", "requester"],
    list_filter=["state", "operation", "image_model"],
    list_select_related=["image_model", "requester"],
    search_fields=["id", "row_key", "error_code", "requester__username"],
    ordering=["-created_at"],
    list_per_page=50,
)
_register(
    Attempt,
    list_display=["created_at", "state", "job", "image_model", "number"],
    list_filter=["state", "image_model"],
    list_select_related=["job", "image_model"],
    search_fields=["id", "provider_ref", "provider_request_id"],
    ordering=["-created_at"],
    list_per_page=50,
)
_register(
    AuditEvent,
    list_display=["at", "type", "severity", "actor_id", "object_id"],
    list_filter=["severity", "actor_kind"],
    search_fields=["type", "object_id", "actor_id"],
    ordering=["-at", "-pk"],
    list_per_page=50,
)

urlpatterns = [*demo_urls, path("stock/", stock.urls)]
