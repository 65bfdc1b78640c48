"""Make thousands of jobs while workers are killed, paused and deployed and all around them fails, at random."""

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
TELL_SECONDS = 15


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
    troubles: Counter[str] = Counter()
    began = time.monotonic()
    with (
        SimulatorProcess(quick=True) as simulator,
        Proxy(simulator.base_url) as proxy,
        tempfile.TemporaryDirectory() as folder,
    ):
        simulator.script(latency=0.5)
        far = SimpleNamespace(base_url=proxy.url, key=simulator.key)
        with Site(LANES[lane], Path(folder) / "site", far) as site:  # type: ignore[arg-type]
            workers = [site.start(), site.start()]
            asked, told = 0, time.monotonic()
            while asked < jobs:
                _trouble(choices, site, proxy, workers, troubles)
                waiting = asked - sum(_ended(site).values())
                if waiting < PORTION:
                    asked += _request(site, min(PORTION, jobs - asked))
                if time.monotonic() - told > TELL_SECONDS:
                    told = time.monotonic()
                    print(f"{lane}: {asked} of {jobs} requested", file=sys.stderr, flush=True)
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
        "troubles": sum(troubles.values()),
        "broken invariants": len(broken),
        "jobs a second": jobs / seconds,
    }
    print(f"{lane}: {dict(states)}, {dict(troubles)}, {broken}", file=sys.stderr, flush=True)
    has_passed = states == {"succeeded": jobs} and billed == charged == jobs and not broken
    return figures, has_passed


def _request(site: Site, count: int) -> int:
    """Have the web process request jobs; one that loses its database is asked no more."""
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


def _trouble(
    choices: random.Random,
    site: Site,
    proxy: Proxy,
    workers: list[subprocess.Popen[bytes]],
    troubles: Counter[str],
) -> None:
    what = choices.choice(
        ["kill", "pause", "deploy", "network", "network", "broker", "calm", "calm"]
    )
    troubles[what] += 1
    number = choices.randrange(len(workers))
    if what == "kill":
        site.kill(workers[number])
        workers[number] = site.start()
    elif what == "deploy":
        site.stop(workers[number], seconds=120)
        workers[number] = site.start()
    elif what == "pause":
        workers[number].send_signal(signal.SIGSTOP)
        time.sleep(choices.uniform(1, 12))
        workers[number].send_signal(signal.SIGCONT)
    elif what == "network":
        proxy.treat(choices.choice(MODES), share=choices.uniform(0.05, 0.4))
    elif what == "broker":
        site.empty_broker()
    else:
        proxy.treat("pass")
