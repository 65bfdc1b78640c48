"""Doctor and panel tell of jobs that wait for the site: how many, since when, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.urls import reverse

from imagegen_app.core.actors import Person
from imagegen_app.core.states import WaitingReason
from imagegen_app.services.jobs import leases, waiting
from imagegen_app.services.monitoring import dashboard, doctor
from imagegen_app.testing.factories import make_user

if TYPE_CHECKING:
    from django.test import Client

    from tests.failing_storage import FailingStorage
    from tests.services.conftest import Site


def test_jobs_that_wait_for_the_storage_are_reported_with_the_remedy(site: Site) -> None:
    site.request()
    site.request(prompt="Another mug")
    for job in leases.claim(limit=2, owner="a"):
        waiting.wait_for(job, WaitingReason.STORAGE)

    everything = [result for result in doctor.run_all_checks() if result.part == "waiting"]
    on_the_panel = [result for result in doctor.critical_problems() if result.part == "waiting"]

    assert everything == on_the_panel
    (result,) = everything
    assert result.level == "error"
    assert result.message.startswith("2 jobs have waited, the first since ")
    assert result.message.endswith("the storage of the images does not work.")
    assert "STORAGES['imagegen']" in result.remedy


def test_without_waiting_jobs_there_is_nothing_to_report(site: Site) -> None:
    site.request()

    (result,) = [result for result in doctor.run_all_checks() if result.part == "waiting"]

    assert result.level == "ok"


def test_the_doctor_probes_the_storage(site: Site, failing_storage: type[FailingStorage]) -> None:
    failing_storage.failing = {"save"}

    (result,) = [result for result in doctor.run_all_checks() if result.part == "storage"]

    assert (result.level, result.message) == (
        "error",
        "The storage cannot be used: EndpointConnectionError. Jobs wait for it.",
    )


def test_the_panel_tells_of_jobs_that_wait_once_with_the_remedy(site: Site) -> None:
    site.request()
    for job in leases.claim(limit=1, owner="a"):
        waiting.wait_for(job, WaitingReason.STORAGE)
    admin = make_user(
        "olga", is_staff=True, permissions=["imagegen.resolve_job", "imagegen.change_provider"]
    )

    panel = dashboard.build_dashboard(Person(admin))

    assert panel is not None
    (row,) = panel.waiting
    assert row.message.startswith("1 job has waited since ")
    assert "STORAGES['imagegen']" in row.remedy
    assert [problem for problem in panel.problems if problem.part == "waiting"] == []


def test_the_page_of_a_job_that_waits_says_for_what(site: Site, client: Client) -> None:
    site.request()
    (job,) = leases.claim(limit=1, owner="a")
    waiting.wait_for(job, WaitingReason.STORAGE)
    client.force_login(make_user("olga", is_staff=True, permissions=["imagegen.view_job"]))

    page = client.get(reverse("admin:imagegen_job_change", args=[job.pk])).content.decode()

    assert "Waiting: the storage of the images does not work. It continues by itself." in page
