"""Make thousands of jobs while workers are killed, paused and deployed and the services around them fail, at random."""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from benchmarks.report import Report, Row
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.engines.engine_site import LANES, Site
from tests.faults import harness
from tests.faults.proxy import MODES, Proxy

if TYPE_CHECKING:
    import subprocess

JOBS = int(os.environ.get("IMAGEGEN_SOAK_JOBS", "20000"))
#: Requested whenever fewer than so many wait.
PORTION = 100
PATIENCE_SECONDS = 180
REPORT_SECONDS = 15


def run(*, rounds: int) -> Report:
    """Soak one engine after the other; `IMAGEGEN_SOAK_JOBS` over all, 20,000 by itself."""
    del rounds
    each = max(1, JOBS // len(harness.LANE_NAMES))
    print(f"seed {harness.seed()}, {each} jobs an engine", file=sys.stderr)
    rows, met = [], True
    for lane in harness.LANE_NAMES:
        figures, has_passed = _soak(lane, each)
        rows.append(Row(lane, figures))
        met = met and has_passed
    return Report(
        name="soak",
        rows=rows,
        goals={"all": "no job lost, the ledger equals the bill, every invariant holds"},
        met={"all": met},
    )


def _soak(lane: str, jobs: int) -> tuple[dict[str, float | int | str], bool]:
    choices = random.Random(f"soak {harness.seed()} {lane}")  # noqa: S311 - can be repeated
    faults: Counter[str] = Counter()
    began = time.monotonic()
    with (
        SimulatorProcess(quick=True) as simulator,
        Proxy(simulator.base_url) as proxy,
        tempfile.TemporaryDirectory() as folder,
    ):
        simulator.script(latency=0.5)
        server = SimpleNamespace(base_url=proxy.url, key=simulator.key)
        with Site(LANES[lane], Path(folder) / "site", server) as site:  # type: ignore[arg-type]
            workers = [site.start(), site.start()]
            requested, reported_at = 0, time.monotonic()
            while requested < jobs:
                _inject_fault(choices, site, proxy, workers, faults)
                waiting = requested - sum(_ended(site).values())
                if waiting < PORTION:
                    requested += _request(site, min(PORTION, jobs - requested))
                if time.monotonic() - reported_at > REPORT_SECONDS:
                    reported_at = time.monotonic()
                    print(f"{lane}: {requested} of {jobs} requested", file=sys.stderr, flush=True)
                time.sleep(choices.uniform(0.2, 2.0))
            proxy.treat("pass")
            until = time.monotonic() + PATIENCE_SECONDS
            while sum(_ended(site).values()) < jobs and time.monotonic() < until:
                time.sleep(0.5)
            states = Counter(site.states())
            billed, charged = int(simulator.bill()["images"]), site.charged()
            broken = site.violations()
    seconds = time.monotonic() - began
    figures: dict[str, float | int | str] = {
        "jobs": jobs,
        "succeeded": states["succeeded"],
        "billed": billed,
        "charged": charged,
        "faults": sum(faults.values()),
        "broken invariants": len(broken),
        "jobs a second": jobs / seconds,
    }
    print(f"{lane}: {dict(states)}, {dict(faults)}, {broken}", file=sys.stderr, flush=True)
    has_passed = states == {"succeeded": jobs} and billed == charged == jobs and not broken
    return figures, has_passed


def _request(site: Site, count: int) -> int:
    """Have the web process request jobs; restart it if it lost its database."""
    try:
        return len(site.web.call("request", count=count)["jobs"])
    except ValueError:
        # Its connection was cut in the middle: what is committed is counted by the caller's next look.
        before = len(site.states())
        site.restart_web()
        return max(0, len(site.states()) - before)


def _ended(site: Site) -> dict[str, int]:
    found = Counter(site.states())
    return {state: found[state] for state in ("succeeded", "failed", "cancelled", "expired")}


def _inject_fault(
    choices: random.Random,
    site: Site,
    proxy: Proxy,
    workers: list[subprocess.Popen[bytes]],
    faults: Counter[str],
) -> None:
    fault = choices.choice(
        ["kill", "pause", "deploy", "network", "network", "broker", "calm", "calm"]
    )
    faults[fault] += 1
    number = choices.randrange(len(workers))
    if fault == "kill":
        site.kill(workers[number])
        workers[number] = site.start()
    elif fault == "deploy":
        site.stop(workers[number], seconds=120)
        workers[number] = site.start()
    elif fault == "pause":
        workers[number].send_signal(signal.SIGSTOP)
        time.sleep(choices.uniform(1, 12))
        workers[number].send_signal(signal.SIGCONT)
    elif fault == "network":
        proxy.treat(choices.choice(MODES), share=choices.uniform(0.05, 0.4))
    elif fault == "broker":
        site.empty_broker()
    else:
        proxy.treat("pass")
