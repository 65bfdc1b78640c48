"""How a provider explained a failure is shown to those who may read the prompt, and recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.urls import reverse

from imagegen_app.models import AuditEvent, Job
from imagegen_app.testing.factories import make_attempt, make_job, make_provider

if TYPE_CHECKING:
    from django.test import Client

SAID = "We do not draw <b>canary-4417</b> at all."


def pages_of_failed_job(**changes: Any) -> tuple[Job, list[str]]:
    """Return a job with two explained attempts, and the pages that explain it."""
    job = make_job(
        state="failed", prompt="x", error_code="invalid_request", error_message="No.", **changes
    )
    make_attempt(job=job, state="refused", provider_message="An earlier canary-1001.")
    attempt = make_attempt(job=job, state="refused", provider_message=SAID)
    make_attempt(job=job, state="refused")
    return job, [
        reverse("admin:imagegen_job_change", args=[job.pk]),
        reverse("admin:imagegen_attempt_change", args=[attempt.pk]),
    ]


def shown(client: Client, pages: list[str]) -> list[str]:
    return [client.get(page).content.decode() for page in pages]


def test_who_may_read_prompts_sees_the_latest_explanation_as_text(
    client: Client, people: dict[str, Any]
) -> None:
    _job, pages = pages_of_failed_job()
    client.force_login(people["Compliance"])

    found = shown(client, pages)

    assert all("The provider said:" in page for page in found)
    assert all("&lt;b&gt;canary-4417" in page and "<b>canary" not in page for page in found)
    assert not any("canary-1001" in page for page in found)


def test_others_are_told_why_they_do_not_see_it(client: Client, people: dict[str, Any]) -> None:
    job, pages = pages_of_failed_job()
    client.force_login(people["Image administrators"])

    found = shown(client, pages)

    assert not any("canary-4417" in page for page in found)
    assert all("may repeat the prompt; you do not have permission" in page for page in found)
    assert not AuditEvent.objects.filter(type="asset.prompt_viewed", job_id=job.pk).exists()


def test_reading_it_is_recorded_as_reading_the_prompt(
    client: Client, people: dict[str, Any]
) -> None:
    job, (_page, attempt_page) = pages_of_failed_job()
    client.force_login(people["Compliance"])

    client.get(attempt_page)

    assert AuditEvent.objects.filter(type="asset.prompt_viewed", job_id=job.pk).count() == 1


def test_the_requester_sees_it_without_a_record(client: Client, people: dict[str, Any]) -> None:
    job, pages = pages_of_failed_job(requester=people["Image editors"])
    client.force_login(people["Image editors"])

    assert all("canary-4417" in page for page in shown(client, pages))
    assert not AuditEvent.objects.filter(type="asset.prompt_viewed", job_id=job.pk).exists()


def test_an_attempt_without_one_reads_no_prompt(client: Client, people: dict[str, Any]) -> None:
    job = make_job(state="failed", prompt="x")
    attempt = make_attempt(job=job, state="refused")
    client.force_login(people["Compliance"])

    (page,) = shown(client, [reverse("admin:imagegen_attempt_change", args=[attempt.pk])])

    assert "The provider said:" not in page
    assert not AuditEvent.objects.filter(type="asset.prompt_viewed", job_id=job.pk).exists()


def test_a_provider_tells_what_becomes_of_a_lost_call(
    client: Client, people: dict[str, Any]
) -> None:
    client.force_login(people["Compliance"])
    known = {"replicate": "the provider may still send a webhook", "xai": "nothing tells"}

    for adapter, words in known.items():
        provider = make_provider(slug=adapter, adapter=adapter)
        page = client.get(reverse("admin:imagegen_provider_change", args=[provider.pk]))
        assert words in page.content.decode()
