"""Each commit meets some outages; `python -m benchmarks faults` plays all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.conftest import require, services_required
from tests.engines.engine_site import LANES
from tests.faults import cluster, full_disk, harness, outages

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def play(chosen: outages.Outage, folder: Path) -> outages.Outcome:
    for service in LANES[chosen.lane].services:
        require(service)
    with SimulatorProcess(quick=True) as simulator:
        return outages.run(chosen, folder=folder / "site", simulator=simulator)


@pytest.mark.parametrize("number", range(3))
def test_healthy_workers_finish_whatever_fails_around_them(number: int, tmp_path: Path) -> None:
    outcome = play(outages.some_outages(seed=harness.seed(), count=3)[number], tmp_path)

    assert outcome.has_passed, outcome


def test_an_object_storage_that_is_away_costs_no_image_and_fails_no_job(tmp_path: Path) -> None:
    outage = outages.Outage("has an object storage that is away", "sqlite", jobs=5)

    outcome = play(outage, tmp_path)

    assert outcome.has_passed, outcome


def test_a_deploy_in_the_middle_of_calls_costs_none_of_their_images(tmp_path: Path) -> None:
    outcome = play(outages.Outage("is deployed again and again", "celery-redis", jobs=4), tmp_path)

    assert outcome.has_passed, outcome


def test_a_certificate_that_expires_costs_no_image_and_is_told_of_once(tmp_path: Path) -> None:
    outcome = play(outages.Outage("has a certificate that expires", "sqlite", jobs=16), tmp_path)

    assert outcome.has_passed, outcome


def test_a_full_disk_spends_nothing_and_loses_nothing(tmp_path: Path) -> None:
    if not full_disk.is_possible():
        pytest.skip("no disk can be mounted")

    outcome = play(outages.Outage("fills its disk", "postgresql", jobs=40), tmp_path)

    assert outcome.has_passed, outcome


def test_workers_outlive_a_database_server_that_is_killed(tmp_path: Path) -> None:
    if not cluster.is_possible():
        reason = "no PostgreSQL server to start"
        if services_required():
            pytest.fail(f"required, but {reason}", pytrace=False)
        pytest.skip(reason)

    outcome = play(outages.Outage("loses its database server", "postgresql", jobs=10), tmp_path)

    assert outcome.has_passed, outcome
