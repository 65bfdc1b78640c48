"""Let the surroundings of healthy workers fail: network, database, storage, broker, provider, clock.

As in `harness`, the checker reads the database by plain SQL and the simulator's own bill by HTTP.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from tests.engines.engine_site import ENDS, LANES, POSTGRESQL, Site
from tests.faults import certificate_outage, cluster, full_disk, object_storage, provider_outage
from tests.faults.proxy import Proxy
from tests.faults.webhook_server import WebhookServer

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from imagegen_app.testing.simulator.process import SimulatorProcess

#: Changes what a process takes for the time; from the package `faketime`.
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
MAX_DEPLOYS = 10
_CANCELS = {"dies while cancelling"}
#: What an outage needs of the site, beside the engine.
_CHANGES: dict[str, dict[str, str]] = {
    "has a storage that fails": {"storage": "flaky"},
    "is asked to slow down": {"calls_per_minute": "300", "burst": str(provider_outage.BURST)},
    "finds its provider down": {"in_flight": "8"},
    # Some calls are under way when it happens, and some jobs are still in the queue.
    "has a certificate that expires": {"certificate": "files", "in_flight": "4"},
    # The hard case: each call is held open, and nobody can be asked what became of it.
    "is deployed again and again": {"adapter": "openai"},
    "fills its disk": {"adapter": "openai", "in_flight": str(full_disk.IN_FLIGHT)}
    | {"min_free_bytes": str(full_disk.MIN_FREE_BYTES)},
}


@dataclass(frozen=True)
class Outage:
    """One kind of failure around the workers of one engine."""

    name: str
    lane: str
    jobs: int = 20

    def __str__(self) -> str:
        return f"{self.lane} {self.name}"


@dataclass(frozen=True)
class Outcome:
    """The result of an outage."""

    outage: Outage
    seconds: float
    states: dict[str, int]
    billed: int
    #: Images that the ledger was charged for.
    charged: int
    violations: tuple[str, ...]
    #: What the jobs say went wrong.
    errors: tuple[str, ...]
    #: How often something was disturbed; 0 would prove nothing.
    disturbed: int
    #: Calls that asked for images, and the most that were allowed.
    calls: int = 0
    allowed: int = 0

    @property
    def has_passed(self) -> bool:
        """Whether nothing was lost, nothing billed twice, no rate passed, and every invariant holds."""
        good = {"succeeded", "cancelled"} if self.outage.name in _CANCELS else {"succeeded"}
        whole = set(self.states) <= good and sum(self.states.values()) == self.outage.jobs
        in_time = not self.allowed or self.calls <= self.allowed
        paid = self.billed == self.charged
        return whole and paid and in_time and not self.violations and self.disturbed > 0


@dataclass
class _Run:
    """A running site while something around it fails."""

    outage: Outage
    site: Site
    simulator: SimulatorProcess
    proxy: Proxy
    webhooks: WebhookServer
    server: cluster.Cluster | None
    objects: object_storage.ObjectStorage | None = None
    disturbed: int = 0
    allowed: int = 0
    #: What the play itself found to be wrong.
    violations: list[str] = field(default_factory=list)

    @property
    def cluster(self) -> cluster.Cluster:
        """The database server, where it is ours to kill."""
        if self.server is None:
            raise RuntimeError("this outage has no database server of its own")
        return self.server

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        self.site.environment.update(environment)
        worker = self.site.start()
        for name in environment:
            self.site.environment.pop(name)
        return worker

    def request(self, count: int = 0) -> None:
        size = "1024x1024" if self.site.environment.get("SITE_ADAPTER") == "openai" else "256x256"
        self.site.web.call("request", count=count or self.outage.jobs, size=size)

    def kill_web_process(self, failpoint: str) -> None:
        """Kill the web process at a point of its first request, and start another."""
        token = self.site.folder / "token"
        self.site.restart_web()
        self.site.environment["IMAGEGEN_FAILPOINTS"] = f"{failpoint}@{token}"
        with contextlib.suppress(json.JSONDecodeError):
            self.site.web.call("request", count=1)
        del self.site.environment["IMAGEGEN_FAILPOINTS"]
        self.site.restart_web()
        self.disturbed += token.exists()

    def ended(self) -> int:
        # A job of unknown outcome is still looked after.
        return sum(state in ENDS and state != "uncertain" for state in self.site.states())


def network(mode: str, share: float) -> Callable[[_Run], None]:
    """Disturb a share of all connections to the provider while the jobs are made."""

    def play(running: _Run) -> None:
        running.proxy.treat(mode, share=share)
        running.start()
        running.request()
        # Long enough for submits, polls and downloads; what is broken off then comes again.
        _until(lambda: running.ended() == running.outage.jobs, seconds=20)
        running.proxy.treat("pass")
        running.disturbed = running.proxy.disturbed

    return play


def database_gone(running: _Run) -> None:
    """End every database connection of the site, again and again."""
    running.start()
    running.request()
    for _ in range(6):
        time.sleep(0.7)
        running.disturbed += running.site.cut_database_connections()


def storage_fails(running: _Run) -> None:
    """Refuse every fourth write of the storage."""
    running.start()
    running.request()
    _until(lambda: running.ended() == running.outage.jobs, seconds=60)
    counter = running.site.folder / "refused"
    running.disturbed = len(counter.read_text("ascii")) if counter.exists() else 0


def broker_forgets(running: _Run) -> None:
    """Lose all that the broker holds, again and again."""
    running.start()
    running.request()
    for _ in range(8):
        time.sleep(0.5)
        running.site.empty_broker()
        running.disturbed += 1


def clocks_differ(running: _Run) -> None:
    """Let two workers share the work whose clocks are three minutes apart."""

    def start(shift: str) -> subprocess.Popen[bytes]:
        running.disturbed += 1
        preload = str(FAKETIME)
        return running.start(LD_PRELOAD=preload, FAKETIME=shift, FAKETIME_DONT_FAKE_MONOTONIC="1")

    workers = {shift: start(shift) for shift in ("+90s", "-90s")}
    running.request()

    def is_over() -> bool:
        for shift, worker in workers.items():
            # On a busy machine the library breaks Python's sleep (EINVAL); a supervisor starts anew.
            if worker.poll() is not None:
                workers[shift] = start(shift)
        return running.ended() == running.outage.jobs

    _until(is_over, seconds=90)


def deploys(running: _Run) -> None:
    """Restart two workers by turns, at most ten times, while calls are under way."""
    running.simulator.script(latency=3.0)
    workers = [running.start(), running.start()]
    deploy_count = min(MAX_DEPLOYS, running.outage.jobs)
    for number in range(deploy_count):
        running.request(running.outage.jobs // deploy_count)
        _until(lambda: "submitting" in running.site.states(), seconds=10)
        turn = number % 2
        running.disturbed += "submitting" in running.site.states()
        running.site.stop(workers[turn], seconds=90)
        workers[turn] = running.start()


def server_dies(failpoint: str) -> Callable[[_Run], None]:
    """Kill the web server in the middle of a request."""

    def play(running: _Run) -> None:
        running.start()
        running.kill_web_process(failpoint)
        running.request(running.outage.jobs - len(running.site.states()))

    return play


def cancelled(running: _Run) -> None:
    """Kill the worker just after the provider has cancelled a call, before anybody knows."""
    running.simulator.script(latency=0.3, job_seconds=4.0)
    worker = running.site.start(failpoint="cancel.after_provider_before_commit")
    jobs = running.site.web.call("request", count=running.outage.jobs)["jobs"]
    running.site.wait_for("awaiting", count=running.outage.jobs // 2)
    running.site.web.call("cancel", jobs=jobs[::2])
    _until(lambda: worker.poll() is not None, seconds=30)
    running.disturbed = (running.site.folder / "token").exists()
    running.start()


def server_dies_of_a_webhook(running: _Run) -> None:
    """Kill the web server just after it has taken a webhook in; the provider tells again."""
    token = running.site.folder / "token"
    running.site.restart_web()
    running.site.environment["IMAGEGEN_FAILPOINTS"] = f"webhook.after_inbox_commit@{token}"
    running.request()
    running.start()
    _until(lambda: len(running.webhooks.outcomes) >= running.outage.jobs, seconds=30)
    running.disturbed = token.exists() and "repeated" in running.webhooks.outcomes


def batch_dies(running: _Run) -> None:
    """Kill the worker in the middle of making a batch's jobs."""
    running.site.web.call("batch", count=running.outage.jobs)
    worker = running.site.start(failpoint="batch.create_mid_chunk")
    _until(lambda: worker.poll() is not None, seconds=30)
    running.disturbed = (running.site.folder / "token").exists()
    running.start()


def server_of_the_database_dies(running: _Run) -> None:
    """Kill PostgreSQL as a power cut does, and start it again, while jobs are made."""
    running.start()
    running.request()
    # The first time while the worker starts.
    for seconds in (0.2, 1.5, 1.5):
        time.sleep(seconds)
        running.cluster.restart()
        running.disturbed += 1


PLAYS: dict[str, Callable[[_Run], None]] = {
    "loses answers": network("lose_answer", 0.3),
    "cuts answers": network("cut_answer", 0.3),
    "resets connections": network("reset", 0.3),
    "is slow": network("delay", 1.0),
    "swallows calls": network("swallow", 0.2),
    "loses database connections": database_gone,
    "has a storage that fails": storage_fails,
    "has an object storage that is away": object_storage.is_away,
    "is asked to slow down": provider_outage.storm,
    "has a broker that forgets": broker_forgets,
    "has clocks that differ": clocks_differ,
    "is deployed again and again": deploys,
    "loses its server before a commit": server_dies("request.before_commit"),
    "loses its server after a commit": server_dies("request.after_commit_before_wakeup"),
    "dies while cancelling": cancelled,
    "loses its server after a webhook": server_dies_of_a_webhook,
    "dies making a batch": batch_dies,
    "loses its database server": server_of_the_database_dies,
    "finds its provider down": provider_outage.is_down,
    "has a certificate that expires": lambda running: certificate_outage.expires(running, _until),
    "fills its disk": full_disk.play,
}
#: What cannot be played on every machine.
_IMPOSSIBLE = {
    *([] if FAKETIME else ["has clocks that differ"]),
    *([] if cluster.is_possible() else ["loses its database server"]),
    *([] if full_disk.is_possible() else ["fills its disk"]),
}
_ONLY_WITH_BROKER = "has a broker that forgets"


def all_outages(*, jobs: int = 20) -> list[Outage]:
    """Return every outage: each on one engine, in turn, and the costliest on all."""
    lanes = ("postgresql", "celery-redis", "rq")
    everywhere = (
        "loses answers",
        "loses database connections",
        "loses its database server",
        "is deployed again and again",
    )
    found = [Outage(name, lane, jobs) for name in everywhere for lane in lanes]
    others = [name for name in PLAYS if name not in (*everywhere, _ONLY_WITH_BROKER)]
    found += [Outage(name, lanes[n % 3], jobs) for n, name in enumerate(others)]
    found += [Outage(_ONLY_WITH_BROKER, lane, jobs) for lane in lanes[1:]]
    return [one for one in found if one.name not in _IMPOSSIBLE]


def some_outages(*, seed: str, count: int, jobs: int = 10) -> list[Outage]:
    """Return a selection that changes with the seed and is the same for the same seed."""
    choices = random.Random(f"outages {seed}")  # noqa: S311 - a choice that can be repeated
    return sorted(choices.sample(all_outages(jobs=jobs), count), key=str)


def run(outage: Outage, *, folder: Path, simulator: SimulatorProcess) -> Outcome:
    """Play one outage, and check what is left."""
    simulator.reset()
    simulator.script(latency=0.3)
    began = time.monotonic()
    changes = _CHANGES.get(outage.name, {})
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy(simulator.base_url))
        far = SimpleNamespace(base_url=proxy.url, key=simulator.key)
        webhooks = stack.enter_context(WebhookServer())
        if outage.name == "loses its server after a webhook":
            changes = {**changes, "public_url": webhooks.url}
        server = None
        where = POSTGRESQL
        if outage.name == "loses its database server":
            server = stack.enter_context(cluster.Cluster())
            where = server.address
        objects = None
        if outage.name == "has an object storage that is away":
            objects = stack.enter_context(object_storage.ObjectStorage())
        changes = {**changes, **({"s3": objects.gate.url} if objects else {})}
        lane = LANES[outage.lane]
        site = stack.enter_context(Site(lane, folder, far, postgresql=where, **changes))  # type: ignore[arg-type]  # its address and key
        webhooks.site = site
        running = _Run(outage, site, simulator, proxy, webhooks, server, objects)
        PLAYS[outage.name](running)
        _until(lambda: running.ended() == outage.jobs, seconds=90)
        if objects:
            objects.copy_to(folder / "imagegen")
        return Outcome(
            outage=outage,
            seconds=time.monotonic() - began,
            states=dict(Counter(site.states())),
            billed=int(simulator.bill()["images"]),
            charged=site.charged(),
            violations=(*running.violations, *site.violations()),
            errors=tuple(
                " ".join(map(str, row))
                for row in site.query(
                    "select distinct j.error_code, a.error_code, a.error_detail"
                    " from imagegen_job j left join imagegen_attempt a on a.job_id = j.id"
                    " where j.error_code <> ''"
                )
            ),
            disturbed=running.disturbed,
            calls=simulator.calls().get("POST /v1/jobs", 0) if running.allowed else 0,
            allowed=running.allowed,
        )


def _until(is_so: Callable[[], bool], *, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not is_so():
        time.sleep(0.1)
