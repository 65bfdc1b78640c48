"""Measure how soon a click is claimed by an idle worker, and what an idle worker asks of PostgreSQL."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.report import Figures, Report, Row, median
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.engines.engine_site import LANES, POSTGRESQL, Site

CLICKS = 20
IDLE_SECONDS = 30
GOAL_MS = 200
#: Once a second the worker looks for tasks; the rest are heartbeats and sweeps.
GOAL_TRANSACTIONS = 2


def run(*, rounds: int) -> Report:
    """Measure the embedded engine with one worker, on SQLite and on PostgreSQL."""
    found = {lane: [_one(lane) for _ in range(rounds)] for lane in ("sqlite", "postgresql")}
    rows = [Row(f"ours on {lane}", _figures(found[lane])) for lane in found]
    return Report(
        name="wakeups",
        rows=rows,
        goals={
            "claim": f"95 of 100 clicks are claimed within {GOAL_MS} ms of their commit",
            "idle": f"at most {GOAL_TRANSACTIONS:g} transactions a second while nothing is to do",
        },
        met={
            "claim": all(float(row.figures["p95 ms"]) <= GOAL_MS for row in rows),
            "idle": float(rows[1].figures["idle transactions a second"]) <= GOAL_TRANSACTIONS,
        },
    )


def _figures(runs: list[tuple[list[float], float | None]]) -> Figures:
    clicks = sorted(ms for one, _idle in runs for ms in one)
    figures: Figures = {
        "clicks": len(clicks),
        "median ms": median(clicks),
        "p95 ms": clicks[math.ceil(len(clicks) * 0.95) - 1],
        "slowest ms": clicks[-1],
    }
    idle = [seconds for _one, seconds in runs if seconds is not None]
    return figures | ({"idle transactions a second": median(idle)} if idle else {})


def _one(lane: str) -> tuple[list[float], float | None]:
    """Return the milliseconds of each click, and on PostgreSQL the idle transactions a second."""
    with (
        tempfile.TemporaryDirectory() as folder,
        SimulatorProcess(quick=True) as simulator,
        Site(LANES[lane], Path(folder) / "site", simulator) as site,
    ):
        site.start(arguments=("--sweep-seconds", "5"))
        clicks = _clicked(site)
        time.sleep(3)
        idle = _idle_transactions(site.name) if lane == "postgresql" else None
    print(f"{lane}: slowest click {max(clicks):.0f} ms, idle {idle}", file=sys.stderr)
    return clicks, idle


def _clicked(site: Site) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.parts.clicker", str(CLICKS)],
        env={**os.environ, **site.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: list[float] = json.loads(done.stdout)
    return found


def _idle_transactions(name: str) -> float:
    """Return how many transactions a second the site's database sees from its worker alone."""
    import psycopg  # noqa: PLC0415 - an extra

    host, _, port = POSTGRESQL.rpartition(":")
    # Over another database, so that asking does not count.
    with closing(
        psycopg.connect(host=host, port=port, user="postgres", dbname="postgres", autocommit=True)
    ) as database:
        before, began = _transactions(database, name), time.monotonic()
        time.sleep(IDLE_SECONDS)
        after, ended = _transactions(database, name), time.monotonic()
    return (after - before) / (ended - began)


def _transactions(database: Any, name: str) -> int:
    query = "select xact_commit + xact_rollback from pg_stat_database where datname = %s"
    return int(database.execute(query, [name]).fetchone()[0])
