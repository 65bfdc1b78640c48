"""Jobs wait while the store of their key is down at the start, and go on through a short outage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.models import Attempt
from imagegen_app.providers import credentials
from imagegen_app.secret_stores import cache
from imagegen_app.services.foundation import clock
from imagegen_app.services.worker import driver
from tests.secret_stores import benches
from tests.services.conftest import Site, at_simulator, governed
from tests.services.worker.test_lost_calls import changed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagegen_app.models import Job
    from imagegen_app.testing.simulator.process import SimulatorProcess


class Clock:
    """The clock of the store's values."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Clock:
    time = Clock()
    monkeypatch.setattr(credentials, "kept_values", cache.ValueCache(clock=time))
    return time


@pytest.fixture
def vault(kept: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[benches.VaultBench]:
    del kept
    with benches.vault(monkeypatch) as bench:
        yield bench


@pytest.fixture
def site(
    db: None,
    small: Any,
    vault: benches.VaultBench,
    simulator: SimulatorProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> Site:
    model = at_simulator(simulator, small, monkeypatch, "generic_jobs")
    entry = {"SOURCE": vault.source, "HOSTS": ["127.0.0.1"]}
    small.IMAGEGEN = {**small.IMAGEGEN, "CREDENTIALS": {"simulator": entry}}
    vault.put(simulator.key)
    return governed(model)


def driven(job: Job, *, seconds: float = 60) -> Job:
    changed(job, due_at=clock.now())
    driver.drive(seconds=seconds)
    job.refresh_from_db()
    return job


def test_a_store_that_is_down_at_the_start_keeps_jobs_waiting(
    site: Site, vault: benches.VaultBench, kept: Clock
) -> None:
    vault.go_down()
    job = driven(site.request(), seconds=1)
    waiting = (job.state, job.waiting_for, Attempt.objects.filter(sent_at__isnull=False).count())

    vault.is_down = False
    kept.now += cache.PAUSE_WITHOUT_VALUE_SECONDS
    job = driven(job)

    assert waiting == ("queued", "credential", 0)
    assert job.state == "succeeded"


def test_a_store_that_goes_down_in_mid_flight_stops_no_job(
    site: Site, vault: benches.VaultBench, kept: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    first = driven(site.request())
    vault.go_down()
    kept.now += cache.FRESH_SECONDS + 1

    second = driven(site.request(prompt="A blue mug"))

    assert (first.state, second.state) == ("succeeded", "succeeded")
    assert any("cannot be reached" in line for line in caplog.messages)


def test_a_key_that_is_gone_from_its_store_is_not_used_again(
    site: Site, vault: benches.VaultBench, kept: Clock
) -> None:
    driven(site.request())
    vault.put(None)
    kept.now += cache.FRESH_SECONDS + 1

    second = driven(site.request(prompt="A blue mug"), seconds=1)

    assert second.state != "succeeded"
    assert not second.attempts.filter(sent_at__isnull=False).exists()


def test_a_job_is_refused_with_what_to_do_while_its_store_refuses_the_site(
    site: Site, vault: benches.VaultBench, kept: Clock
) -> None:
    vault.refuse()

    job = driven(site.request())

    assert (job.state, job.error_code) == ("failed", "key_store_refused")
    assert "set up wrongly" in job.error_message
    assert "imagegen_doctor" in job.error_remedy
    assert not job.attempts.filter(sent_at__isnull=False).exists()


def test_a_value_that_changed_in_its_store_is_used_after_the_provider_refused_the_old_one(
    site: Site, vault: benches.VaultBench, kept: Clock, simulator: SimulatorProcess
) -> None:
    vault.put("old-key-that-was-replaced")
    first = driven(site.request())
    vault.put(simulator.key)

    second = driven(site.request(prompt="A blue mug"))

    # The clock of the store's values stands still: only the refusal can have had it asked again.
    assert (first.state, first.error_code) == ("failed", "authentication_failed")
    # The provider took the call; whether it has ended already is not our question.
    assert second.state in {"awaiting", "succeeded"}
