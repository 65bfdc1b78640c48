"""Measure from SIGKILL until another worker has claimed the jobs, on three engines at default settings."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import Report, Row
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.engines.engine_site import LANES, Site

JOBS = 20
GOAL_SECONDS = 20.0
PATIENCE = 60.0
#: What the engines do by themselves at their defaults, from their own documentation.
PEERS = {
    "Celery on Redis by itself": "3600 s (visibility_timeout)",
    "RQ by itself": "90 to 690 s, then failed",
    "django-tasks-db by itself": "never",
}


def run(*, rounds: int) -> Report:
    """Kill a worker with calls under way, a second one beside it, and wait for its jobs to be taken."""
    found = {
        lane: sorted(s for _ in range(rounds) for s in _one(lane))
        for lane in ("postgresql", "celery-redis", "rq")
    }
    rows = [
        Row(
            f"ours on {lane}",
            {
                "jobs": len(seconds),
                "median s": seconds[len(seconds) // 2],
                "p99 s": seconds[min(len(seconds) - 1, int(len(seconds) * 0.99))],
            },
        )
        for lane, seconds in found.items()
    ]
    rows += [Row(name, {"p99 s": documented}) for name, documented in PEERS.items()]
    return Report(
        name="recovery",
        rows=rows,
        goals={"p99": f"at most {GOAL_SECONDS:g} s on every engine"},
        met={"p99": all(seconds[-1] <= GOAL_SECONDS for seconds in found.values())},
    )


def _one(lane: str) -> list[float]:
    """Return for each job under way the seconds from the kill until another worker claimed it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        SimulatorProcess(quick=True) as simulator,
        Site(
            LANES[lane], Path(folder) / "site", simulator, adapter="openai", lease_seconds="15"
        ) as site,
    ):
        # Calls that answer only long after the kill: what is measured is the claim alone.
        simulator.script(latency=120)
        first = site.start(arguments=("--sweep-seconds", "5"))
        site.web.call("request", count=JOBS, size="1024x1024")
        site.wait_for("submitting", count=JOBS)
        second = site.start(arguments=("--sweep-seconds", "5"))
        time.sleep(4)
        site.kill(first)
        killed = time.monotonic()
        seconds: list[float] = []
        while len(seconds) < JOBS and time.monotonic() - killed < PATIENCE:
            states = site.query("select expired_leases, state from imagegen_job")
            taken = sum(1 for claims, state in states if claims > 0 or state != "submitting")
            seconds += [time.monotonic() - killed] * (taken - len(seconds))
            time.sleep(0.1)
        site.kill(second)
    print(f"{lane}: {max(seconds):.1f} s for {len(seconds)} jobs", file=sys.stderr)
    if len(seconds) < JOBS:
        raise RuntimeError(f"only {len(seconds)} of {JOBS} jobs were taken within a minute")
    return seconds
