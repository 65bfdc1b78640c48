"""Pages that show a failed job say what to do, each reader their own part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.core.error_guide import GUIDES
from imagegen_app.models import Job
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_user
from tests.services.conftest import (  # noqa: F401 - fixtures
    at_simulator,
    governed,
    simulator,
    simulator_process,
    small,
)

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.testing.simulator.process import SimulatorProcess

GUIDE = GUIDES["quota_exhausted"]
LINK = "https://docs.example/how-to/troubleshooting.html#error-quota-exhausted"


@pytest.fixture
def refused(
    db: None,
    simulator: SimulatorProcess,  # noqa: F811 - the fixture
    small: Any,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> Job:
    """Return a job of edda's that failed since the account at the provider has no credit."""
    site = governed(at_simulator(simulator, small, monkeypatch, "openai"))
    simulator.fail("quota")
    job = site.request(size="1024x1024")
    driver.drive(seconds=10)
    job.refresh_from_db()
    assert job.error_code == "quota_exhausted"
    return job


def pages(job: Job) -> dict[str, str]:
    """Return the pages on which the error is shown."""
    return {
        "job": reverse("admin:imagegen_job_change", args=[job.pk]),
        "attempt": reverse("admin:imagegen_attempt_change", args=[job.attempts.get().pk]),
        "list": reverse("admin:imagegen_job_changelist"),
        "studio": reverse("admin:imagegen_studio_status", args=[job.pk]),
    }


def texts(client: Client, job: Job) -> dict[str, str]:
    return {name: client.get(url).content.decode() for name, url in pages(job).items()}


def test_the_editor_is_told_on_every_page_that_it_is_not_the_prompt(
    client: Client, refused: Job
) -> None:
    refused.requester.is_staff = True  # type: ignore[union-attr]
    refused.requester.save()  # type: ignore[union-attr]
    client.force_login(refused.requester)  # type: ignore[arg-type]

    shown = texts(client, refused)

    for name, html in shown.items():
        assert html.count(GUIDE.remedy) == 1, name
        assert GUIDE.administrator not in html, name
        assert "troubleshooting" not in html, name
        assert "Change the prompt" not in html, name


def test_an_administrator_also_reads_their_own_part(client: Client, refused: Job) -> None:
    client.force_login(make_user("ada", groups=["Image administrators"], is_staff=True))

    shown = texts(client, refused)

    assert {name: GUIDE.administrator in html for name, html in shown.items()} == {
        "job": True,
        "attempt": True,
        # A list and an editor's page have room for one line.
        "list": False,
        "studio": False,
    }


def test_every_page_links_to_the_documentation_if_the_site_has_it(
    client: Client, refused: Job, settings: Any
) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "DOCS_URL": "https://docs.example"}
    client.force_login(make_user("ada", groups=["Image administrators"], is_staff=True))

    shown = texts(client, refused)

    assert {name: html.count(f'href="{LINK}"') for name, html in shown.items()} == dict.fromkeys(
        shown, 1
    )


def test_a_job_without_an_error_shows_no_help(client: Client, site_job: Job) -> None:
    client.force_login(make_user("ada", groups=["Image administrators"], is_staff=True))

    html = client.get(reverse("admin:imagegen_job_changelist")).content.decode()

    assert str(site_job.pk) in html
    assert "imagegen-remedy" not in html


@pytest.fixture
def site_job(
    db: None,
    simulator: SimulatorProcess,  # noqa: F811 - the fixture
    small: Any,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> Job:
    return governed(at_simulator(simulator, small, monkeypatch, "openai")).request(size="1024x1024")
