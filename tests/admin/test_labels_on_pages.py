"""Pages show the labels of stored values, and only what people know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.urls import reverse
from django.utils import translation

from imagegen_app.models import AuditEvent, Job
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.testing.factories import make_asset, make_image_model

if TYPE_CHECKING:
    from django.test import Client


@use_case(audited=False)
def let_wait(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(waiting_for="storage")


def test_the_log_is_filtered_by_tables_that_have_pages(
    client: Client, people: dict[str, Any], rows: dict[str, Any]
) -> None:
    client.force_login(people["superuser"])

    page = client.get(reverse("admin:imagegen_auditevent_changelist")).content.decode()

    assert rows
    assert AuditEvent.objects.exists()
    assert "?object_type=job" in page
    assert "?object_type=imagemodel" in page
    for internal in ("auditleaf", "audittile", "periodicrun", "ratelimitstate", "circuitbreaker"):
        assert f"?object_type={internal}" not in page


def test_forms_offer_labels_of_operations_and_kinds(client: Client, people: dict[str, Any]) -> None:
    client.force_login(people["superuser"])

    grant = client.get(reverse("admin:imagegen_grant_add")).content.decode()
    template = client.get(reverse("admin:imagegen_prompttemplate_add")).content.decode()

    assert "Retouch an area" in grant
    assert "Retouch an area" in template
    assert "Yes or no" in template


def test_recent_images_show_their_review_state(client: Client, people: dict[str, Any]) -> None:
    editor = people["Image editors"]
    make_asset(requester=editor, review_state="pending")
    client.force_login(editor)

    page = client.get(reverse("admin:index")).content.decode()

    assert '<span class="imagegen-caption">Waiting for review</span>' in page


def test_prices_are_written_as_the_language_writes_them(
    client: Client, people: dict[str, Any]
) -> None:
    make_image_model(price_list={"currency": "USD", "per_image": [{"amount": "1234.5"}]})
    client.force_login(people["superuser"])

    with translation.override("de"):
        url = reverse("admin:imagegen_imagemodel_changelist")
    page = client.get(url).content.decode()

    assert "1234,50" in page


def test_the_list_of_jobs_says_what_a_job_waits_for(
    client: Client, people: dict[str, Any], rows: dict[str, Any]
) -> None:
    client.force_login(people["superuser"])
    let_wait(rows["job"])

    with translation.override("de"):
        page = client.get(reverse("admin:imagegen_job_changelist")).content.decode()

    assert "wartet: der Speicher der Bilder" in page
