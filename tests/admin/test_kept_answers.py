"""Kept answers are listed, downloaded as files only, and read again from the admin."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation
from django.utils.formats import date_format

from imagegen_app.models import AuditEvent, Job, Verdict
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.testing.factories import make_user
from tests.kept_answer_rows import make_kept_answer

if TYPE_CHECKING:
    from pathlib import Path


LIST = reverse("admin:imagegen_keptanswer_changelist")


@pytest.fixture(autouse=True)
def own_state_folder(settings: Any, immediate: Any, tmp_path: Path) -> None:
    """Keep the answers of each test apart."""
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "STATE_DIR": tmp_path / "state",
        "ENGINE": "tests.services.silent_engine.SilentEngine",
    }


def download_url(kept: Any, part: str) -> str:
    return reverse("admin:imagegen_keptanswer_download", args=[kept.pk, part])


def test_an_answer_is_downloaded_as_a_file_and_the_log_tells(
    client: Client, people: dict[str, Any]
) -> None:
    kept = make_kept_answer(is_readable=False)
    client.force_login(people["Image administrators"])

    page = client.get(reverse("admin:imagegen_keptanswer_change", args=[kept.pk]))
    response = client.get(download_url(kept, "body"))

    assert download_url(kept, "body") in page.content.decode()
    assert b"".join(response) == b"<script>alert(1)</script>"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"].startswith("attachment;")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response.headers["Cache-Control"]
    assert AuditEvent.objects.filter(type="answer.downloaded").count() == 1
    assert client.get(LIST).status_code == 200


def test_what_is_not_there_and_who_may_not_get_no_file(
    client: Client, people: dict[str, Any]
) -> None:
    kept = make_kept_answer()
    client.force_login(people["Image administrators"])
    missing = [
        client.get(download_url(kept, part)).status_code for part in ("note", "decoded-0", "x")
    ]
    client.force_login(people["Compliance"])
    refused = client.get(download_url(kept, "body"))

    assert missing == [404] * 3
    assert refused.status_code == 403
    assert not AuditEvent.objects.filter(type="answer.downloaded").exists()


def test_the_action_reads_an_answer_again_once(client: Client, people: dict[str, Any]) -> None:
    kept = make_kept_answer()
    client.force_login(people["Image administrators"])
    command = {"action": "read_again", "_selected_action": [str(kept.pk)]}

    pages = [client.post(LIST, command, follow=True).content.decode() for _ in range(2)]

    assert "1 answer is being read again." in pages[0]
    assert "It is being read again right now." in pages[1]
    assert Job.objects.filter(replaces=kept.attempt.job).count() == 1
    assert AuditEvent.objects.filter(type="answer.read_again").count() == 1


def test_an_attempt_links_to_its_kept_answer_for_those_who_may_see_it(
    client: Client, people: dict[str, Any]
) -> None:
    kept = make_kept_answer()
    link = reverse("admin:imagegen_keptanswer_change", args=[kept.pk])
    page = reverse("admin:imagegen_attempt_change", args=[kept.attempt_id])

    def shows_link(role: str) -> bool:
        client.force_login(people[role])
        return link in client.get(page).content.decode()

    assert shows_link("Image administrators")
    assert not shows_link("Compliance")


def test_the_page_says_what_happened_and_the_last_day_in_the_reader_s_language(
    client: Client, people: dict[str, Any]
) -> None:
    kept = make_kept_answer(error_message="The site's own software failed unexpectedly.")
    client.force_login(people["Image administrators"])

    with translation.override("de"):
        address = reverse("admin:imagegen_keptanswer_change", args=[kept.pk])
        last_day = date_format(kept.kept_at + timedelta(days=30), "DATE_FORMAT")
    page = client.get(address).content.decode()

    assert "Die Software der Website hat unerwartet versagt." in page
    assert last_day in page
    assert '<ul class="imagegen-story">' in page


@pytest.mark.django_db
def test_what_was_closed_for_good_is_not_downloaded() -> None:
    kept = make_kept_answer()
    verdict = Verdict(
        job=kept.attempt.job,
        stage="output",
        screener="house",
        outcome="blocked",
        hard_category="sexual_minors",
    )
    use_case(audited=False)(verdict.save)()
    client = Client()
    client.force_login(make_user("boss", is_superuser=True, is_staff=True))

    refused = client.get(download_url(kept, "body"))

    assert refused.status_code == 403
    assert not AuditEvent.objects.filter(type="answer.downloaded").exists()
