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


def test_work_survives_a_kill_and_a_deploy_and_a_broker_that_forgot(
    site: Site, simulator: SimulatorProcess
) -> None:
    simulator.script(latency=1.5)
    worker = site.start()
    site.desk.order("request", count=6)
    site.wait_for("awaiting", count=3)

    site.kill(worker)
    site.empty_broker()
    killed_at = time.monotonic()
    worker = site.start()
    site.wait(ended=6, seconds=40)
    assert time.monotonic() - killed_at < 20 + 1.5

    site.desk.order("request", count=6)
    site.wait_for("awaiting", count=3)
    assert site.stop(worker, seconds=30) == 0, site.told()
    assert "uncertain" not in site.states()
    site.start()
    site.wait(ended=12, seconds=40)

    assert site.states() == ["succeeded"] * 12
    assert simulator.bill()["images"] == 12
    assert site.broken() == []


def test_two_workers_and_wake_ups_without_end_make_nothing_twice(
    site: Site, simulator: SimulatorProcess
) -> None:
    site.start()
    site.start()
    site.desk.order("request", count=10)
    site.desk.order("ring", times=50)
    site.desk.order("ring", times=50, name="sweep")
    site.wait(ended=10, seconds=60)

    assert site.states() == ["succeeded"] * 10
    assert simulator.bill()["images"] == 10
    assert site.broken() == []


def test_a_paused_worker_that_wakes_up_writes_nothing(
    site: Site, simulator: SimulatorProcess
) -> None:
    simulator.script(latency=2)
    sleeper = site.start()
    site.desk.order("request", count=4)
    site.wait_for("awaiting", count=2)

    site.pause(sleeper)
    site.start()
    site.wait(ended=4, seconds=60)
    sleeper.send_signal(signal.SIGCONT)
    time.sleep(3)

    assert site.states() == ["succeeded"] * 4
    assert simulator.bill()["images"] == 4
    assert site.broken() == []


@pytest.fixture
def deaf() -> Iterator[socket.socket]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield listening


@pytest.mark.parametrize("how", ["closed", "deaf"])
@pytest.mark.parametrize("name", ["celery-redis", "celery-rabbitmq", "rq"])
def test_a_dead_broker_neither_fails_nor_holds_a_request(
    name: str, how: str, deaf: socket.socket, tmp_path: Path, simulator: SimulatorProcess
) -> None:
    lane = LANES[name]
    for service in lane.services:
        require(service)
    port = deaf.getsockname()[1]
    if how == "closed":
        deaf.close()
    scheme, _, rest = lane.broker.partition("://")
    path = rest.partition("/")[2]
    broker = f"{scheme}://127.0.0.1:{port}/{path}"

    with Site(lane, tmp_path / "site", simulator, broker=broker) as site:
        rung = site.desk.order("ring")
        asked = site.desk.order("request", count=5)

    assert rung["raised"]
    assert rung["slowest"] < 2, "a wait without a bound"
    assert len(asked["jobs"]) == 5
    assert asked["slowest"] < 2
