"""Hold hundreds of calls at once in one worker process, beside plain Celery with eight processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from benchmarks.parts import processes
from benchmarks.report import Figures, Report, Row, median
from tests.engines.engine_site import LANES, REDIS, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

LATENCY = 10.0
#: Rounds of calls that the middle of the run is measured over.
WAVES = 4
LANES_USED = ("postgresql", "celery-redis", "rq")
FEWER_CALLS, MORE_CALLS = 200, 500
#: The goals: a share of the ideal at 200, and answers a minute at 500.
MIN_SHARE, MIN_ANSWERS_PER_MINUTE = 0.8, 1800
PLAIN_PROCESSES = 8
PLAIN_WORKER = [
    "-m",
    "celery",
    "-A",
    "benchmarks.parts.plain_celery",
    "worker",
    "-l",
    "ERROR",
    "--without-mingle",
    "--without-gossip",
]


@dataclass(frozen=True)
class Run:
    """The figures of one run."""

    per_minute: float
    of_ideal: float
    most: int
    mib: float
    cpu_ms: float
    ready: int

    def figures(self) -> Figures:
        """Return it as a table's row."""
        return {
            "calls at once": self.most,
            "answers a minute": self.per_minute,
            "of the ideal": self.of_ideal,
            "peak PSS MiB": self.mib,
            "MiB a call": self.mib / max(1, self.most),
            "CPU ms an answer": self.cpu_ms,
            "images ready at the end": self.ready,
        }


def run(*, rounds: int) -> Report:
    """Run each system once a round."""
    found: dict[str, list[Run]] = {}
    for _ in range(rounds):
        for lane in LANES_USED:
            found.setdefault(f"{lane}, {FEWER_CALLS}", []).append(_ours(lane, FEWER_CALLS))
        found.setdefault(f"postgresql, {MORE_CALLS}", []).append(_ours("postgresql", MORE_CALLS))
        found.setdefault(f"plain Celery, {PLAIN_PROCESSES}", []).append(_plain())
    middle = {name: _middle(runs) for name, runs in found.items()}
    plain = middle[f"plain Celery, {PLAIN_PROCESSES}"]
    many = [middle[f"{lane}, {FEWER_CALLS}"] for lane in LANES_USED]
    most = middle[f"postgresql, {MORE_CALLS}"]
    return Report(
        name="concurrency",
        rows=[Row(name, one.figures()) for name, one in middle.items()],
        ratios={"ours at 500 / plain Celery, answers a minute": most.per_minute / plain.per_minute},
        goals={
            "200": "80 % of the ideal answers a minute on every engine",
            "500": "1,800 answers a minute",
            "memory": "1 MiB of PSS a call in flight",
            "plain": "20 times the answers of plain Celery",
        },
        met={
            "200": all(one.of_ideal >= MIN_SHARE for one in many),
            "500": most.per_minute >= MIN_ANSWERS_PER_MINUTE,
            "memory": all(one.mib / one.most <= 1 for one in [*many, most]),
            "plain": most.per_minute >= 20 * plain.per_minute,
        },
    )


def _middle(runs: list[Run]) -> Run:
    return Run(
        **{
            name: type(getattr(runs[0], name))(median([getattr(one, name) for one in runs]))
            for name in Run.__dataclass_fields__
        }
    )


@contextmanager
def image_server(*, latency: float = LATENCY, side: int = 1024) -> Iterator[str]:
    """Run a server that answers like the Images API, and yield its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.parts.image_server", str(latency), str(side)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if process.stdout is None:
            raise RuntimeError("the image server printed no URL")
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def _peak_of(address: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{address}/peak", timeout=10) as reply:  # noqa: S310 - our own server
        peak: dict[str, Any] = json.loads(reply.read())
    return peak


def _ours(lane: str, calls: int) -> Run:
    with image_server() as address, tempfile.TemporaryDirectory() as folder:
        server = SimpleNamespace(base_url=address, key="sk-benchmark")
        site = Site(
            LANES[lane],
            Path(folder) / "site",
            server,  # type: ignore[arg-type]  # a site needs only these two attributes
            adapter="openai",
            in_flight=str(calls),
            lease_seconds="15",
        )
        with site:
            site.web.call("request", count=calls * (WAVES + 1), size="1024x1024")
            worker = site.start()
            answered = "select count(*) from imagegen_attempt where answered_at is not null"
            run = _watch(
                worker.pid, address, calls, answered=lambda: int(site.query(answered)[0][0])
            )
            ready = site.states().count("succeeded")
        print(f"{lane}, {calls}: {run}", file=sys.stderr)
        return Run(**{**run.__dict__, "ready": ready})


def _plain() -> Run:
    with image_server() as address, tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "PLAIN_BROKER": f"{REDIS}/9",
            "PLAIN_QUEUE": f"plain_{uuid.uuid4().hex[:8]}",
            "PLAIN_URL": address,
            "PLAIN_FOLDER": folder,
        }
        count = PLAIN_PROCESSES * (WAVES + 1)
        enqueue_code = f"from benchmarks.parts.plain_celery import generate; [generate.delay(n) for n in range({count})]"
        subprocess.run([sys.executable, "-c", enqueue_code], env=environment, check=True)
        worker = subprocess.Popen(
            [sys.executable, *PLAIN_WORKER, "-c", str(PLAIN_PROCESSES)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            run = _watch(
                worker.pid,
                address,
                PLAIN_PROCESSES,
                answered=lambda: len(list(Path(folder).glob("*.png"))),
            )
        finally:
            worker.terminate()
            worker.wait()
        print(f"plain: {run}", file=sys.stderr)
        return Run(**{**run.__dict__, "ready": len(list(Path(folder).glob("*.png")))})


def _watch(pid: int, address: str, calls: int, *, answered: Any) -> Run:
    """Measure from the end of the first wave to that of the last: whole waves only, so that uneven arrival does not matter."""
    peak = 0.0
    while (before := answered()) < calls:
        peak = max(peak, processes.pss_mib(pid))
        time.sleep(0.25)
    first, cpu = time.monotonic(), processes.cpu_seconds(pid)
    while (count := answered()) < calls * WAVES and time.monotonic() - first < LATENCY * 12:
        peak = max(peak, processes.pss_mib(pid))
        time.sleep(0.25)
    spent, used, done = time.monotonic() - first, processes.cpu_seconds(pid) - cpu, count - before
    per_minute = done / spent * 60
    return Run(
        per_minute=per_minute,
        of_ideal=per_minute / (calls / LATENCY * 60),
        most=int(_peak_of(address)["most"]),
        mib=peak,
        cpu_ms=used / max(1, done) * 1000,
        ready=0,
    )
