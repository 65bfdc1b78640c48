"""Markup in every text column is text on every page and in every export."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps
from django.db import connection, models
from django.urls import reverse

from imagegen_app.core import csv_cells
from imagegen_app.services.library import asset_table
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_user

if TYPE_CHECKING:
    from django.test import Client

RAW = "<img src=x onerror=alert(1)>"
#: Columns whose values are chosen by us, never typed.
NOT_TYPED = {
    "state", "operation", "review", "lifecycle", "kind", "role", "stage", "outcome", "policy",
    "scope", "period", "seed_strategy", "currency", "key", "original_storage_key", "sha256", "severity",
    "original_sha256", "media_type", "original_media_type", "format", "slug", "type", "body",
    "adapter", "base_url", "note", "root", "actor_kind", "actor_id", "object_type", "object_id",
    "fingerprint", "request_digest", "idempotency_key", "c2pa_state", "watermark_state",
    "digital_source_type", "delivery_id", "published_to", "lease_owner", "output_format", "hash",
    "pause_reason", "subject", "limit_behaviour", "request_id",
}  # fmt: skip


def poison() -> list[str]:
    """Put markup into every typed text column of every row, behind the services' back."""
    poisoned = []
    for model in apps.get_app_config("imagegen").get_models():
        if model._meta.db_table in {"imagegen_auditevent", "imagegen_auditleaf"}:
            continue
        for field in model._meta.concrete_fields:
            typed = isinstance(field, models.CharField | models.TextField) and not field.choices
            if not typed or field.primary_key or field.name in NOT_TYPED:
                continue
            if field.max_length is not None and field.max_length < len(RAW):
                continue
            with connection.cursor() as cursor:
                cursor.execute(
                    f'UPDATE "{model._meta.db_table}" SET "{field.column}" = %s || "{model._meta.pk.column}"'  # noqa: S608 - names of our own
                    if field.unique
                    else f'UPDATE "{model._meta.db_table}" SET "{field.column}" = %s',  # noqa: S608 - as above
                    [RAW],
                )
            poisoned.append(f"{model._meta.model_name}.{field.name}")
    return poisoned


@pytest.mark.usefixtures("unguarded_log")
def test_no_page_of_the_admin_shows_markup_as_markup(
    client: Client, rows: dict[str, Any], people: dict[str, Any]
) -> None:
    poisoned = poison()
    client.force_login(people["superuser"])
    pages = [
        reverse("admin:index"),
        reverse("admin:imagegen_studio"),
        reverse("admin:imagegen_log"),
        reverse("admin:imagegen_erasure"),
    ]
    for name, row in rows.items():
        pages.append(reverse(f"admin:imagegen_{name}_changelist"))
        pages.append(reverse(f"admin:imagegen_{name}_change", args=[row.pk]))
        pages.append(reverse(f"admin:imagegen_{name}_history", args=[row.pk]))
    pages += [
        reverse("admin:imagegen_studio_job", args=[rows["job"].pk]),
        reverse("admin:imagegen_studio_choose", args=[rows["asset"].pk]),
        reverse("admin:imagegen_asset_attach", args=[rows["asset"].pk]),
        f"{reverse('admin:imagegen_studio')}?template={rows['prompttemplate'].slug}",
        f"{reverse('admin:imagegen_auditevent_changelist')}",
    ]
    found, shown = [], 0
    for page in pages:
        answer = client.get(page)
        text = answer.content.decode()
        assert answer.status_code in {200, 302}, page
        shown += text.count("&lt;img src=x")
        if RAW in text:
            found.append(page)

    assert len(poisoned) > 30
    assert shown > 30
    assert found == []


def test_the_exported_table_computes_nothing_and_keeps_the_text(rows: dict[str, Any]) -> None:
    actor = access.actor_for(make_user("exporter", permissions=["imagegen.export_audit"]))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE imagegen_asset SET title = %s, alt_text = %s", ["=1+1", " @SUM(A1)"])
    text = asset_table.export(actor=actor, assets=type(rows["asset"]).objects.all())

    assert ""","'=1+1",""" in text
    assert ""","' @SUM(A1)",""" in text
    heading, row = csv_cells.read_rows(io.StringIO(text, newline=""))
    assert heading == list(asset_table.COLUMNS)
    assert row[1:3] == ["=1+1", " @SUM(A1)"]
