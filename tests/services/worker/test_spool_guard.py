"""A full disk spends nothing, and what can still be fetched is fetched when there is room."""

from __future__ import annotations

import base64
import io
import json
import random
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imagegen_app.core.actors import System
from imagegen_app.core.states import WaitingReason
from imagegen_app.models import Attempt, AuditEvent, Job, KeptAnswer
from imagegen_app.providers.families import base64_json
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import signing, spool, spool_room
from imagegen_app.services.jobs import leases, transitions, waiting
from imagegen_app.services.monitoring import doctor, progress
from imagegen_app.services.worker import _spool_guard, driver
from tests.conftest import services_required
from tests.faults import full_disk
from tests.services.conftest import Site, at_simulator, governed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from imagegen_app.testing.simulator.process import SimulatorProcess
    from tests.faults.full_disk import SmallDisk

MIB = 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Mount a disk of 8 MiB."""
    if not full_disk.is_possible():
        if services_required():
            pytest.fail("required, but no disk can be mounted", pytrace=False)
        pytest.skip("no disk can be mounted")
    with full_disk.small_disk(tmp_path / "disk", size=8 * MIB) as mounted:
        yield mounted


@pytest.fixture
def small_disk(
    disk: SmallDisk, settings: Any, small: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], None]:
    """Keep the spool on the small disk; the function leaves so many bytes free on it."""
    settings.IMAGEGEN = {
        **settings.IMAGEGEN,
        "STATE_DIR": disk.folder / "state",
        "SPOOL": {"MIN_FREE_BYTES": 0},
        "MAX_IN_FLIGHT": 4,
    }
    monkeypatch.setattr(_spool_guard, "PAUSE_SECONDS", 0.1)
    spool.folder()
    # As in a worker that has signed before: without it, jobs would wait for the certificate.
    signing.require_usable_identity()

    return disk.leave


def try_now() -> None:
    """Make all jobs due."""
    waiting.try_now(WaitingReason.DISK, actor=System("test"))
    make_due()


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
    messages = {progress.job_progress(job).message for job in Job.objects.all()}
    assert messages == {"Waiting: the worker has no room for answers. It continues by itself."}
    assert "disk" in {problem.part for problem in doctor.critical_problems()}
    assert any("sends no calls" in finding.message for finding in doctor.run_all_checks())

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
    small_disk: Callable[[int], None], disk: SmallDisk, site: Site
) -> None:
    site.request()
    remount = ["mount", "-o", "remount,ro", str(disk.folder)]
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


def test_a_job_that_is_too_large_for_the_disk_does_not_keep_the_others(
    small_disk: Callable[[int], None], site: Site
) -> None:
    large = site.request(size="2048x2048")
    others = [site.request() for _ in range(6)]
    small_disk(8 * MIB)

    driver.drive(seconds=5)

    ended = Job.objects.filter(pk__in=[job.pk for job in others], state="succeeded")
    assert ended.count() == len(others)
    large.refresh_from_db()
    assert (large.state, large.waiting_for) == ("queued", "disk")
    assert not AuditEvent.objects.filter(type="job.tried_now").exists()


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


def answered(site: Site) -> tuple[Job, Attempt]:
    """Return a job whose answer came, with one large image as text, before its worker died."""
    job = site.request(size="1024x1024")
    (claimed,) = leases.claim(limit=1, owner="killed")
    attempt = transitions.start_attempt(claimed, digest=leases.digest_of(claimed))
    transitions.mark_sent(claimed, attempt)
    picture = io.BytesIO()
    noise = random.Random(1).randbytes(256 * 256 * 3)  # noqa: S311 - a picture that cannot shrink
    Image.frombytes("RGB", (256, 256), noise).save(picture, "PNG")
    items = [{"b64_json": base64.b64encode(picture.getvalue()).decode()}]
    answer = spool.answer_of(attempt)
    answer.folder.mkdir()
    answer.body_path.write_text(json.dumps({"data": items}), "ascii")
    answer.finish({"asked": 1})
    make_due()
    return job, attempt


def make_due(**changes: Any) -> None:
    """Give all jobs back, due."""
    values = {"lease_until": None, "due_at": clock.now(), **changes}
    use_case(audited=False)(lambda: Job.objects.unfinished().update(**values))()


@pytest.mark.usefixtures("db")
def test_an_answer_that_lacks_room_to_be_read_waits_and_is_kept_at_the_deadline(
    small_disk: Callable[[int], None],
    settings: Any,
    simulator: SimulatorProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = governed(at_simulator(simulator, settings, monkeypatch, "openai"))
    job, attempt = answered(site)
    # Small images need no room on the disk.
    monkeypatch.setattr(base64_json, "MAX_KEPT_BYTES", 0)
    small_disk(0)

    driver.drive(seconds=0.5)

    job.refresh_from_db()
    assert (job.state, job.waiting_for, job.expired_leases) == ("ingesting", "disk", 0)
    assert spool.answer_of(attempt).is_complete

    make_due(deadline_at=clock.now())
    driver.drive(seconds=0.5)

    job.refresh_from_db()
    assert (job.state, job.error_code) == ("failed", "answer_not_kept")
    assert KeptAnswer.objects.get(attempt=attempt).reason == "answer_not_kept"


@pytest.mark.usefixtures("db")
def test_an_answer_that_lacked_room_to_be_read_is_read_when_there_is_room(
    small_disk: Callable[[int], None],
    settings: Any,
    simulator: SimulatorProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = governed(at_simulator(simulator, settings, monkeypatch, "openai"))
    job, _attempt = answered(site)
    # Small images need no room on the disk.
    monkeypatch.setattr(base64_json, "MAX_KEPT_BYTES", 0)
    small_disk(0)
    driver.drive(seconds=0.5)

    small_disk(8 * MIB)
    make_due()
    driver.drive(seconds=20)

    job.refresh_from_db()
    assert job.state == "succeeded"
    assert simulator.bill()["images"] == 0


def test_an_answer_that_crashes_its_workers_is_kept(
    small_disk: Callable[[int], None], site: Site
) -> None:
    job, attempt = answered(site)
    make_due(state="ingesting", expired_leases=3)
    use_case(audited=False)(lambda: Attempt.objects.update(state="answered"))()

    driver.drive(seconds=0.5)

    job.refresh_from_db()
    assert (job.state, job.error_code) == ("failed", "worker_lost_repeatedly")
    assert KeptAnswer.objects.get(attempt=attempt).reason == "worker_lost_repeatedly"
