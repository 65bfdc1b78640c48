"""Doctor and panel tell of jobs that wait for the site: how many, since when, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.core.states import WaitingReason
from imagegen_app.services.jobs import leases, waiting
from imagegen_app.services.monitoring import doctor

if TYPE_CHECKING:
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
