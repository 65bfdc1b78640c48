"""The panel of the index page: a person's work, and links to exactly what it counts."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any

from django.urls import reverse

from imagegen_app.testing.factories import make_job, make_user
from tests.admin.test_studio import edda, shop  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from django.test import Client


def test_the_dashboard_shows_pending_work_and_that_no_worker_runs(edda: Client) -> None:  # noqa: F811 - the fixture
    html = edda.get(reverse("admin:index")).content.decode()

    assert "Open the studio" in html
    assert "No worker is running" in html


def test_the_panel_leads_to_the_persons_running_jobs_and_to_no_others(
    edda: Client,  # noqa: F811 - the fixture
    django_user_model: Any,
) -> None:
    person = django_user_model.objects.get(username="editor")
    running = make_job(requester=person, state="queued")
    # An outcome that is unknown waits for a decision, and runs no more.
    for state in ("uncertain", "succeeded"):
        make_job(requester=person, state=state)
    make_job(requester=make_user("stranger"), state="queued")

    panel = edda.get(reverse("admin:index")).content.decode()
    link = re.search(r'href="([^"]+)">1 of your jobs is running', panel)
    assert link is not None
    found: Any = edda.get(unescape(link[1]))

    assert found.status_code == 200
    assert [job.pk for job in found.context["cl"].result_list] == [running.pk]
