"""Let a provider go down for minutes: calls wasted, seconds until its fallback model serves, seconds until it is used again."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report import Report, Row
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.engines.engine_site import ENDS, LANES, Site

if TYPE_CHECKING:
    from collections.abc import Callable

DOWN_SECONDS = float(os.environ.get("IMAGEGEN_DOWN_SECONDS", "300"))
IN_FLIGHT = 64
#: The goals: calls wasted, and seconds until it is used again.
MAX_WASTED_CALLS, MAX_RECOVERY_SECONDS = 20, 30
#: Requested each second while it is down, so that there is always a call to make.
REQUESTS_PER_SECOND = 2
CALL = "POST /v1/jobs"


def run(*, rounds: int) -> Report:
    """Play one outage, with no fallback model; a round takes as long as it, and a minute."""
    del rounds
    with SimulatorProcess(quick=True) as simulator, tempfile.TemporaryDirectory() as folder:
        simulator.script(latency=0.5, job_seconds=20.0)
        site = Site(LANES["postgresql"], Path(folder) / "site", simulator, in_flight=str(IN_FLIGHT))
        with site:
            site.start()
            site.web.call("request", count=IN_FLIGHT)
            _until(lambda: simulator.calls().get(CALL, 0) >= IN_FLIGHT, seconds=60)
            # All of them are in flight; from now on no further job can start.
            before = simulator.calls()[CALL]
            simulator.fail("status", status=503, times=None, on="jobs")
            requested = IN_FLIGHT + _keep_requesting(site, DOWN_SECONDS)
            wasted = simulator.calls()[CALL] - before
            simulator.script(clear=True)
            outage_ended_at, done = time.monotonic(), int(simulator.bill()["images"])
            _until(lambda: int(simulator.bill()["images"]) > done, seconds=400)
            recovery_seconds = time.monotonic() - outage_ended_at
            _until(lambda: sum(s in ENDS for s in site.states()) == requested, seconds=300)
            states, broken = site.states(), site.violations()
    lost = requested - states.count("succeeded")
    print(
        f"{wasted} wasted, back after {recovery_seconds:.1f} s, {lost} lost, {broken}",
        file=sys.stderr,
    )
    return Report(
        name="breaker",
        rows=[
            Row(
                "ours",
                {
                    "down s": DOWN_SECONDS,
                    "jobs": requested,
                    "calls wasted": wasted,
                    "back after s": round(recovery_seconds, 1),
                    "lost": lost,
                },
            )
        ],
        goals={
            "wasted": "at most 20 calls after the outage began",
            "back": "in use again within 30 s of its end",
            "lost": "no job lost, every invariant holds",
        },
        met={
            "wasted": wasted <= MAX_WASTED_CALLS,
            "back": recovery_seconds <= MAX_RECOVERY_SECONDS,
            "lost": not lost and not broken,
        },
    )


def _keep_requesting(site: Site, seconds: float) -> int:
    until, requested = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        requested += len(site.web.call("request", count=REQUESTS_PER_SECOND)["jobs"])
        time.sleep(1)
    return requested


def _until(is_so: Callable[[], bool], *, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not is_so():
        time.sleep(0.2)
