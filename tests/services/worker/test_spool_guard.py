"""A full disk spends nothing, and what can still be fetched is fetched when there is room."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.core.states import WaitingReason
from imagegen_app.models import AuditEvent, Job
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import spool, spool_room
from imagegen_app.services.jobs import waiting
from imagegen_app.services.worker import _spool_guard, driver
from tests.conftest import services_required
from tests.services.conftest import Site, at_simulator, governed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from imagegen_app.testing.simulator.process import SimulatorProcess

MIB = 1024 * 1024
#: Room that one call for one small image reserves.
ONE_CALL = MIB + 64 * 64 * 4


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 8 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        if services_required():
            pytest.fail("required, but no disk can be mounted", pytrace=False)
        pytest.skip("no disk can be mounted")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


@pytest.fixture
def small_disk(
    disk: Path, settings: Any, small: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], None]:
    """Keep the spool on the small disk; the function leaves so many bytes free on it."""
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "STATE_DIR": disk / "state",
        "SPOOL": {"MIN_FREE_BYTES": 0},
        "MAX_IN_FLIGHT": 4,
    }
    monkeypatch.setattr(_spool_guard, "PAUSE_SECONDS", 0.1)
    spool.folder()

    def leave(free: int) -> None:
        filler = disk / "filler"
        with suppress(FileNotFoundError):
            filler.unlink()
        state = os.statvfs(disk)
        size = state.f_bavail * state.f_frsize - free
        if size > 0:
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)

    return leave


def try_now() -> None:
    """Make all jobs due."""
    waiting.try_now(WaitingReason.DISK, actor=System("test"))
    use_case(audited=False)(
        lambda: Job.objects.unfinished().filter(lease_until=None).update(due_at=clock.now())
    )()


def states() -> Counter[str]:
    return Counter(Job.objects.values_list("state", flat=True))


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("adapter", ["openai", "generic_jobs"])
def test_with_a_full_disk_nothing_is_sent_and_all_is_made_when_there_is_room(
    small_disk: Callable[[int], None],
    settings: Any,
    simulator: SimulatorProcess,
    monkeypatch: pytest.MonkeyPatch,
    adapter: str,
) -> None:
    site = governed(at_simulator(simulator, settings, monkeypatch, adapter))
    size = "1024x1024" if adapter == "openai" else "64x64"
    for _ in range(6):
        site.request(size=size)
    small_disk(64 * 1024)

    driver.drive(seconds=1)

    assert simulator.bill()["images"] == 0
    assert states() == {"queued": 6}
    assert AuditEvent.objects.filter(type="spool.filled").count() == 1
    waiting_jobs = Job.objects.filter(waiting_for="disk").count()
    assert waiting_jobs <= 4

    small_disk(8 * MIB)
    try_now()
    driver.drive(seconds=20)

    assert states() == {"succeeded": 6}
    assert simulator.bill()["images"] == 6


def test_the_low_water_mark_stops_calls_before_the_disk_is_full(
    small_disk: Callable[[int], None], settings: Any, site: Site
) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "SPOOL": {"MIN_FREE_BYTES": 7 * MIB}}
    small_disk(7 * MIB)
    site.request()

    driver.drive(seconds=0.5)

    assert states() == {"queued": 1}


def test_a_folder_that_cannot_be_written_stops_calls(
    small_disk: Callable[[int], None], disk: Path, site: Site
) -> None:
    site.request()
    remount = ["mount", "-o", "remount,ro", str(disk)]
    subprocess.run(remount, check=True, capture_output=True)

    driver.drive(seconds=0.5)

    assert states() == {"queued": 1}
    assert "read-only" in AuditEvent.objects.get(type="spool.filled").body


@pytest.mark.usefixtures("db")
def test_the_room_of_calls_in_flight_is_not_given_away_twice(
    small_disk: Callable[[int], None],
    settings: Any,
    simulator: SimulatorProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = governed(at_simulator(simulator, settings, monkeypatch, "openai"))
    simulator.script(latency=1.5)
    for _ in range(3):
        site.request(size="1024x1024")
    # One call reserves five MiB.
    small_disk(7 * MIB)

    driver.drive(seconds=0.6)

    assert simulator.bill()["images"] == 1
    assert states()["queued"] == 2
    assert not list(spool.folder().glob("*/room.partial"))


def filled_after_reserving(
    monkeypatch: pytest.MonkeyPatch, small_disk: Callable[[int], None]
) -> None:
    """Fill the disk behind the reservation's back, as another program may where it is not kept."""

    def reserve(answer: Any, *, size: int) -> None:
        spool_room.require_room(size)
        small_disk(0)

    monkeypatch.setattr(spool_room, "reserve", reserve)


@pytest.mark.usefixtures("db")
def test_the_answer_of_a_job_is_polled_again_when_there_is_room(
    small_disk: Callable[[int], None],
    settings: Any,
    simulator: SimulatorProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = governed(at_simulator(simulator, settings, monkeypatch, "generic_jobs"))
    job = site.request()
    with monkeypatch.context() as patched:
        filled_after_reserving(patched, small_disk)
        driver.drive(seconds=0.3)
        # Accepted before the disk was full; now the result comes.
        small_disk(4 * MIB)
        try_now()
        driver.drive(seconds=1)
    job.refresh_from_db()
    assert (job.state, job.waiting_for) == ("awaiting", "disk")

    small_disk(8 * MIB)
    try_now()
    driver.drive(seconds=20)

    job.refresh_from_db()
    assert job.state == "succeeded"
    assert simulator.bill()["images"] == 1


@pytest.mark.usefixtures("db")
def test_a_lost_answer_that_nobody_can_ask_for_ends_with_the_true_reason(
    small_disk: Callable[[int], None],
    settings: Any,
    simulator: SimulatorProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = governed(at_simulator(simulator, settings, monkeypatch, "openai"))
    jobs = [site.request(size="1024x1024") for _ in range(6)]
    filled_after_reserving(monkeypatch, small_disk)

    driver.drive(seconds=1)

    failed = Job.objects.filter(state="failed")
    assert 1 <= failed.count() <= 4
    assert simulator.bill()["images"] == failed.count() < len(jobs)
    for job in failed:
        assert job.error_code == "answer_not_kept"
        assert "The answer came and could not be kept" in job.error_message
        assert job.actual_cost == job.estimated_cost
    assert states() == {"failed": failed.count(), "queued": 6 - failed.count()}
    assert not list(spool.folder().glob("*/*.partial"))
