"""Let the surroundings of healthy workers fail: network, database, storage, broker, provider, clock.

As in `harness`, the checker reads the database by plain SQL and the simulator's own bill by HTTP.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from tests.engines.engine_site import ENDS, LANES, POSTGRESQL, Site
from tests.faults import cluster
from tests.faults.proxy import Proxy
from tests.faults.webhook_server import Door

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from imagegen_app.testing.simulator.process import SimulatorProcess

#: Changes what a process takes for the time; from the package `faketime`.
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
MAX_DEPLOYS = 10
STORM_SECONDS = float(os.environ.get("IMAGEGEN_STORM_SECONDS", "15"))
_BURST = 3
_CANCELS = {"dies while cancelling"}
#: What a trouble needs of the site, beside the engine.
_CHANGES: dict[str, dict[str, str]] = {
    "has a storage that fails": {"storage": "flaky"},
    "is asked to slow down": {"calls_per_minute": "300", "burst": str(_BURST)},
    "finds its provider down": {"in_flight": "8"},
    # The hard case: each call is held open, and nobody can be asked what became of it.
    "is deployed again and again": {"adapter": "openai"},
}


@dataclass(frozen=True)
class Weather:
    """One trouble on one engine."""

    name: str
    lane: str
    jobs: int = 20

    def __str__(self) -> str:
        return f"{self.lane} {self.name}"


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    weather: Weather
    seconds: float
    states: dict[str, int]
    billed: int
    #: Images that the ledger was charged for.
    charged: int
    broken: tuple[str, ...]
    #: What the jobs say went wrong.
    errors: tuple[str, ...]
    #: How often something was harmed; 0 would prove nothing.
    harmed: int
    #: Calls that asked for images, and the most that were allowed.
    calls: int = 0
    allowed: int = 0

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, nothing billed twice, no rate passed, and every invariant holds."""
        good = {"succeeded", "cancelled"} if self.weather.name in _CANCELS else {"succeeded"}
        whole = set(self.states) <= good and sum(self.states.values()) == self.weather.jobs
        in_time = not self.allowed or self.calls <= self.allowed
        paid = self.billed == self.charged
        return whole and paid and in_time and not self.broken and self.harmed > 0


@dataclass
class _Scene:
    """A running site in bad weather."""

    weather: Weather
    site: Site
    simulator: SimulatorProcess
    proxy: Proxy
    door: Door
    server: cluster.Cluster | None
    harmed: int = 0
    allowed: int = 0

    @property
    def cluster(self) -> cluster.Cluster:
        """The database server, where it is ours to kill."""
        if self.server is None:
            raise RuntimeError("this trouble has no database server of its own")
        return self.server

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        self.site.environment.update(environment)
        worker = self.site.start()
        for name in environment:
            self.site.environment.pop(name)
        return worker

    def request(self, count: int = 0) -> None:
        size = "1024x1024" if self.site.environment.get("SITE_ADAPTER") == "openai" else "256x256"
        self.site.desk.order("request", count=count or self.weather.jobs, size=size)

    def dies_asking(self, failpoint: str) -> None:
        """Have the web server die at a point of its first request, and come back."""
        token = self.site.folder / "token"
        self.site.forget_desk()
        self.site.environment["IMAGEGEN_FAILPOINTS"] = f"{failpoint}@{token}"
        with contextlib.suppress(json.JSONDecodeError):
            self.site.desk.order("request", count=1)
        del self.site.environment["IMAGEGEN_FAILPOINTS"]
        self.site.forget_desk()
        self.harmed += token.exists()

    def ended(self) -> int:
        # A job of unknown outcome is still looked after.
        return sum(state in ENDS and state != "uncertain" for state in self.site.states())


def network(mode: str, share: float) -> Callable[[_Scene], None]:
    """Harm a share of all connections to the provider while the jobs are made."""

    def play(scene: _Scene) -> None:
        scene.proxy.treat(mode, share=share)
        scene.start()
        scene.request()
        # Long enough for submits, polls and downloads; what is broken off then comes again.
        _until(lambda: scene.ended() == scene.weather.jobs, seconds=20)
        scene.proxy.treat("pass")
        scene.harmed = scene.proxy.harmed

    return play


def database_gone(scene: _Scene) -> None:
    """End every database connection of the site, again and again."""
    scene.start()
    scene.request()
    for _ in range(6):
        time.sleep(0.7)
        scene.harmed += scene.site.cut_database_connections()


def storage_fails(scene: _Scene) -> None:
    """Refuse every fourth write of the storage."""
    scene.start()
    scene.request()
    _until(lambda: scene.ended() == scene.weather.jobs, seconds=60)
    counter = scene.site.folder / "refused"
    scene.harmed = len(counter.read_text("ascii")) if counter.exists() else 0


def storm(scene: _Scene) -> None:
    """Refuse every call as too fast, and name a wait; nobody may come back sooner."""
    scene.simulator.fail("status", status=429, times=None, on="jobs", retry_after=1)
    began = time.monotonic()
    scene.start()
    scene.start()
    scene.request()
    time.sleep(STORM_SECONDS)
    passed = time.monotonic() - began
    scene.simulator.script(clear=True)
    scene.harmed = scene.simulator.calls()["POST /v1/jobs"]
    # The first burst cannot know; then one call a second finds out whether it is still refused.
    scene.allowed = scene.weather.jobs + _BURST + int(passed * 1.05) + 1


def broker_forgets(scene: _Scene) -> None:
    """Lose all that the broker holds, again and again."""
    scene.start()
    scene.request()
    for _ in range(8):
        time.sleep(0.5)
        scene.site.empty_broker()
        scene.harmed += 1


def clocks_differ(scene: _Scene) -> None:
    """Let two workers share the work whose clocks are three minutes apart."""

    def start(shift: str) -> subprocess.Popen[bytes]:
        scene.harmed += 1
        preload = str(FAKETIME)
        return scene.start(LD_PRELOAD=preload, FAKETIME=shift, FAKETIME_DONT_FAKE_MONOTONIC="1")

    workers = {shift: start(shift) for shift in ("+90s", "-90s")}
    scene.request()

    def is_over() -> bool:
        for shift, worker in workers.items():
            # On a busy machine the library breaks Python's sleep (EINVAL); a supervisor starts anew.
            if worker.poll() is not None:
                workers[shift] = start(shift)
        return scene.ended() == scene.weather.jobs

    _until(is_over, seconds=90)


def deploys(scene: _Scene) -> None:
    """Restart two workers by turns, at most ten times, while calls are under way."""
    scene.simulator.script(latency=3.0)
    workers = [scene.start(), scene.start()]
    deploy_count = min(MAX_DEPLOYS, scene.weather.jobs)
    for number in range(deploy_count):
        scene.request(scene.weather.jobs // deploy_count)
        _until(lambda: "submitting" in scene.site.states(), seconds=10)
        turn = number % 2
        scene.harmed += "submitting" in scene.site.states()
        scene.site.stop(workers[turn], seconds=90)
        workers[turn] = scene.start()


def server_dies(failpoint: str) -> Callable[[_Scene], None]:
    """Kill the web server in the middle of a request."""

    def play(scene: _Scene) -> None:
        scene.start()
        scene.dies_asking(failpoint)
        scene.request(scene.weather.jobs - len(scene.site.states()))

    return play


def cancelled(scene: _Scene) -> None:
    """Kill the worker just after the provider has cancelled a call, before anybody knows."""
    scene.simulator.script(latency=0.3, job_seconds=4.0)
    worker = scene.site.start(failpoint="cancel.after_provider_before_commit")
    jobs = scene.site.desk.order("request", count=scene.weather.jobs)["jobs"]
    scene.site.wait_for("awaiting", count=scene.weather.jobs // 2)
    scene.site.desk.order("cancel", jobs=jobs[::2])
    _until(lambda: worker.poll() is not None, seconds=30)
    scene.harmed = (scene.site.folder / "token").exists()
    scene.start()


def server_dies_of_a_webhook(scene: _Scene) -> None:
    """Kill the web server just after it has taken a webhook in; the provider tells again."""
    token = scene.site.folder / "token"
    scene.site.forget_desk()
    scene.site.environment["IMAGEGEN_FAILPOINTS"] = f"webhook.after_inbox_commit@{token}"
    scene.request()
    scene.start()
    _until(lambda: len(scene.door.taken) >= scene.weather.jobs, seconds=30)
    scene.harmed = token.exists() and "repeated" in scene.door.taken


def batch_dies(scene: _Scene) -> None:
    """Kill the worker in the middle of making a batch's jobs."""
    scene.site.desk.order("batch", count=scene.weather.jobs)
    worker = scene.site.start(failpoint="batch.create_mid_chunk")
    _until(lambda: worker.poll() is not None, seconds=30)
    scene.harmed = (scene.site.folder / "token").exists()
    scene.start()


def server_of_the_database_dies(scene: _Scene) -> None:
    """Kill PostgreSQL as a power cut does, and start it again, while jobs are made."""
    scene.start()
    scene.request()
    for _ in range(3):
        time.sleep(1.5)
        scene.cluster.restart()
        scene.harmed += 1


def provider_is_down(scene: _Scene) -> None:
    """Refuse every call for forty seconds; few are wasted, and then all goes on by itself."""
    scene.simulator.fail("status", status=503, times=None, on="jobs")
    scene.start()
    scene.start()
    scene.request()
    time.sleep(40)
    scene.harmed = scene.simulator.calls()["POST /v1/jobs"]
    scene.simulator.script(clear=True)
    # Wasted: what was on its way when nobody could know yet, and one probe in each pause.
    scene.allowed = scene.weather.jobs + 20


PLAYS: dict[str, Callable[[_Scene], None]] = {
    "loses answers": network("lose_answer", 0.3),
    "cuts answers": network("cut_answer", 0.3),
    "resets connections": network("reset", 0.3),
    "is slow": network("delay", 1.0),
    "swallows calls": network("swallow", 0.2),
    "loses database connections": database_gone,
    "has a storage that fails": storage_fails,
    "is asked to slow down": storm,
    "has a broker that forgets": broker_forgets,
    "has clocks that differ": clocks_differ,
    "is deployed again and again": deploys,
    "loses its server before a commit": server_dies("request.before_commit"),
    "loses its server after a commit": server_dies("request.after_commit_before_ring"),
    "dies while cancelling": cancelled,
    "loses its server after a webhook": server_dies_of_a_webhook,
    "dies making a batch": batch_dies,
    "loses its database server": server_of_the_database_dies,
    "finds its provider down": provider_is_down,
}
#: What cannot be played on every machine.
_IMPOSSIBLE = {
    *([] if FAKETIME else ["has clocks that differ"]),
    *([] if cluster.is_possible() else ["loses its database server"]),
}
_ONLY_WITH_BROKER = "has a broker that forgets"


def all_weathers(*, jobs: int = 20) -> list[Weather]:
    """Return every trouble: each on one engine, in turn, and the dearest on all."""
    lanes = ("postgresql", "celery-redis", "rq")
    everywhere = (
        "loses answers",
        "loses database connections",
        "loses its database server",
        "is deployed again and again",
    )
    found = [Weather(name, lane, jobs) for name in everywhere for lane in lanes]
    others = [name for name in PLAYS if name not in (*everywhere, _ONLY_WITH_BROKER)]
    found += [Weather(name, lanes[n % 3], jobs) for n, name in enumerate(others)]
    found += [Weather(_ONLY_WITH_BROKER, lane, jobs) for lane in lanes[1:]]
    return [one for one in found if one.name not in _IMPOSSIBLE]


def some_weathers(*, seed: str, count: int, jobs: int = 10) -> list[Weather]:
    """Return a selection that changes with the seed and is the same for the same seed."""
    dice = random.Random(f"weather {seed}")  # noqa: S311 - a choice that can be repeated
    return sorted(dice.sample(all_weathers(jobs=jobs), count), key=str)


def run(weather: Weather, *, folder: Path, simulator: SimulatorProcess) -> Outcome:
    """Play one trouble, and look at what is left."""
    simulator.reset()
    simulator.script(latency=0.3)
    began = time.monotonic()
    changes = _CHANGES.get(weather.name, {})
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy(simulator.base_url))
        far = SimpleNamespace(base_url=proxy.url, key=simulator.key)
        door = stack.enter_context(Door())
        if weather.name == "loses its server after a webhook":
            changes = {**changes, "public_url": door.url}
        server = None
        where = POSTGRESQL
        if weather.name == "loses its database server":
            server = stack.enter_context(cluster.Cluster())
            where = server.address
        lane = LANES[weather.lane]
        site = stack.enter_context(Site(lane, folder, far, postgresql=where, **changes))  # type: ignore[arg-type]  # its address and key
        door.site = site
        scene = _Scene(weather, site, simulator, proxy, door, server)
        PLAYS[weather.name](scene)
        _until(lambda: scene.ended() == weather.jobs, seconds=90)
        return Outcome(
            weather=weather,
            seconds=time.monotonic() - began,
            states=dict(Counter(site.states())),
            billed=int(simulator.bill()["images"]),
            charged=site.charged(),
            broken=tuple(site.broken()),
            errors=tuple(
                " ".join(map(str, row))
                for row in site.ask(
                    "select distinct j.error_code, a.error_code, a.error_detail"
                    " from imagegen_job j left join imagegen_attempt a on a.job_id = j.id"
                    " where j.error_code <> ''"
                )
            ),
            harmed=scene.harmed,
            calls=simulator.calls().get("POST /v1/jobs", 0) if scene.allowed else 0,
            allowed=scene.allowed,
        )


def _until(is_so: Callable[[], bool], *, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not is_so():
        time.sleep(0.1)
