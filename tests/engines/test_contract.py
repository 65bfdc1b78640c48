"""What every engine promises, shown on real workers, brokers and databases."""

from __future__ import annotations

import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest

from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.conftest import require
from tests.engines.engine_site import LANES, Lane, Site

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(quick=True) as process:
        yield process


@pytest.fixture(params=LANES.values(), ids=lambda lane: lane.name)
def lane(request: pytest.FixtureRequest) -> Lane:
    for service in request.param.services:
        require(service)
    found: Lane = request.param
    return found


@pytest.fixture
def site(lane: Lane, tmp_path: Path, simulator: SimulatorProcess) -> Iterator[Site]:
    simulator.reset()
    with Site(lane, tmp_path / "site", simulator) as made:
        yield made


def test_nothing_is_lost_and_nothing_made_twice_whatever_happens_to_workers(
    site: Site, simulator: SimulatorProcess
) -> None:
    """One site for all of it: a start of each process costs more than what it then does."""
    paused = _pause_a_worker(site, simulator)
    _wake_two_workers_without_end(site, simulator)
    replacement = _deploy(site, simulator, old=[paused, *site.workers[1:]])
    _kill_and_empty_the_broker(site, simulator, worker=replacement)

    assert site.violations() == []


def _pause_a_worker(site: Site, simulator: SimulatorProcess) -> subprocess.Popen[bytes]:
    """Pause a worker for longer than its lease: what it was doing is another's when it wakes up."""
    simulator.script(hold_jobs=True)
    paused = site.start()
    site.web.call("request", count=4)
    site.wait_for("awaiting", count=2)
    site.pause(paused)
    simulator.script(hold_jobs=False)
    site.start()
    site.wait(ended=4, seconds=180)
    # Whatever it writes now would show below.
    paused.send_signal(signal.SIGCONT)

    assert site.states() == ["succeeded"] * 4
    return paused


def _wake_two_workers_without_end(site: Site, simulator: SimulatorProcess) -> None:
    simulator.script(latency=0.1)
    site.web.call("request", count=10)
    site.web.call("wake", times=50)
    site.web.call("wake", times=50, name="sweep")
    site.wait(ended=14, seconds=180)

    assert site.states() == ["succeeded"] * 14
    assert simulator.bill()["images"] == 14


def _deploy(
    site: Site, simulator: SimulatorProcess, *, old: list[subprocess.Popen[bytes]]
) -> subprocess.Popen[bytes]:
    """Stop all workers in the middle of calls, and start another."""
    simulator.script(hold_jobs=True)
    site.web.call("request", count=6)
    site.wait_for("awaiting", count=3)
    for worker in old:
        worker.send_signal(signal.SIGTERM)
    simulator.script(hold_jobs=False)
    assert [worker.wait(timeout=180) for worker in old] == [0] * len(old), site.log_tail()
    assert "uncertain" not in site.states()
    started = site.start()
    site.wait(ended=20, seconds=180)

    assert site.states() == ["succeeded"] * 20
    assert simulator.bill()["images"] == 20
    return started


def _kill_and_empty_the_broker(
    site: Site, simulator: SimulatorProcess, *, worker: subprocess.Popen[bytes]
) -> None:
    """Kill the only worker in the middle of calls, and lose all that the broker holds."""
    simulator.script(hold_jobs=True)
    site.web.call("request", count=6)
    site.wait_for("awaiting", count=3)
    site.kill(worker)
    simulator.script(hold_jobs=False)
    site.empty_broker()
    killed_at = time.monotonic()
    site.start()
    site.wait(ended=26, seconds=180)

    assert time.monotonic() - killed_at < 20
    assert site.states() == ["succeeded"] * 26
    assert simulator.bill()["images"] == 26


@pytest.mark.parametrize("name", ["celery-redis", "celery-rabbitmq", "rq"])
def test_a_dead_broker_neither_fails_nor_holds_a_request(
    name: str, tmp_path: Path, simulator: SimulatorProcess
) -> None:
    lane = LANES[name]
    for service in lane.services:
        require(service)
    scheme, _, rest = lane.broker.partition("://")
    path = rest.partition("/")[2]
    # At first it takes connections and never answers, then it is gone.
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        broker = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/{path}"
        with Site(lane, tmp_path / "site", simulator, broker=broker) as site:
            for state in ("silent", "closed"):
                if state == "closed":
                    silent.close()
                woken = site.web.call("wake")
                requested = site.web.call("request", count=5)

                assert woken["raised"], state
                assert woken["slowest"] < 2, (state, "a wait without a bound")
                assert len(requested["jobs"]) == 5, state
                assert requested["slowest"] < 2, state
