"""The page on which personal texts are erased: its preview, its proof, and who may open it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.urls import reverse

from imagegen_app.models import AuditEvent, Job
from imagegen_app.testing.factories import make_job, make_user

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
PROMPT = "A portrait of Ada Byron"


@pytest.fixture
def officer(client: Client) -> Client:
    user = make_user("officer", is_staff=True, permissions=["imagegen.erase_personal_data"])
    client.force_login(user)
    return client


def test_the_page_shows_what_would_be_erased_and_changes_nothing(officer: Client) -> None:
    job = make_job(requester=make_user("ada"), prompt=PROMPT)

    html = officer.get(reverse("admin:imagegen_erasure"), {"subject": "ada"}).content.decode()

    assert f"What would be erased of ada · person:{job.actor_id}" in html
    assert "Jobs" in html
    assert "This cannot be undone." in html
    assert PROMPT not in html
    assert Job.objects.get().prompt == PROMPT


def test_the_page_erases_and_shows_the_proof(officer: Client) -> None:
    job = make_job(requester=make_user("ada"), prompt=PROMPT)

    answer = officer.post(
        reverse("admin:imagegen_erasure"), {"subject": str(job.pk), "reason": "letter of 3 May"}
    )

    html = answer.content.decode()
    assert Job.objects.get().prompt == ""
    assert "Columns searched" in html
    assert PROMPT not in html
    kinds = list(AuditEvent.objects.order_by("pk").values_list("type", flat=True))
    # Within a test's transaction the database's file cannot be written anew.
    assert kinds[-2] == "privacy.erased"
    assert kinds[-1] in {"privacy.erasure_proved", "privacy.erasure_incomplete"}


def test_an_erasure_without_a_reason_is_refused_on_the_page(officer: Client) -> None:
    job = make_job(prompt=PROMPT)

    answer = officer.post(reverse("admin:imagegen_erasure"), {"subject": str(job.pk)})

    assert answer.status_code == 409
    assert "Give a reason." in answer.content.decode()
    assert Job.objects.get().prompt == PROMPT


def test_an_unknown_person_is_told(officer: Client) -> None:
    answer = officer.get(reverse("admin:imagegen_erasure"), {"subject": "nobody"})

    assert "is neither a person nor a job" in answer.content.decode()


def test_the_page_is_hidden_from_others(client: Client) -> None:
    client.force_login(make_user("eve", is_staff=True))

    assert client.get(reverse("admin:imagegen_erasure")).status_code == 404
