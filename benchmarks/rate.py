"""Hold four processes together to 50 calls a second with bursts of 5, without Redis; beside Celery's limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from types import SimpleNamespace

from benchmarks.concurrency import PLAIN_WORKER
from benchmarks.report import Report, Row, median
from tests.engines.engine_site import LANES, REDIS, Site

PROCESSES, RATE, BURST, SECONDS = 4, 50, 5, 4.0
MAX_CALLS = RATE + BURST + 1
#: Calls a second that the limiter itself can allow, with a limit that is never reached.
UNLIMITED = "ours, PostgreSQL, a million a minute"


def run(*, rounds: int) -> Report:
    """Measure the fullest second of each run."""
    found = {
        "ours, PostgreSQL": [_ours("postgresql") for _ in range(rounds)],
        "ours, SQLite": [_ours("sqlite") for _ in range(rounds)],
        UNLIMITED: [_ours("postgresql", a_minute=10**6, burst=10**4) for _ in range(rounds)],
        "Celery rate_limit": [_celery() for _ in range(rounds)],
    }
    worst = {name: max(one[0] for one in runs) for name, runs in found.items()}
    return Report(
        name="rate",
        rows=[
            Row(name, {"fullest second": worst[name], "a second": median([one[1] for one in runs])})
            for name, runs in found.items()
        ],
        goals={"limit": f"never more than {MAX_CALLS} in any second, over {PROCESSES} processes"},
        met={
            "limit": worst["ours, PostgreSQL"] <= MAX_CALLS and worst["ours, SQLite"] <= MAX_CALLS
        },
    )


def _fullest(moments: list[float]) -> tuple[int, float]:
    moments = sorted(moments)
    most, start = 0, 0
    for end, moment in enumerate(moments):
        while moment - moments[start] >= 1.0:
            start += 1
        most = max(most, end - start + 1)
    return most, len(moments) / max(1.0, moments[-1] - moments[0])


def _ours(lane: str, *, a_minute: int = RATE * 60, burst: int = BURST) -> tuple[int, float]:
    with tempfile.TemporaryDirectory() as folder:
        server = SimpleNamespace(base_url="http://127.0.0.1:9", key="sk-benchmark")
        site = Site(
            LANES[lane],
            Path(folder) / "site",
            server,  # type: ignore[arg-type]  # nobody is called
            calls_per_minute=str(a_minute),
            burst=str(burst),
        )
        with site:
            takers = [
                subprocess.Popen(
                    [sys.executable, "-m", "benchmarks.parts.taker", str(SECONDS)],
                    env=site.environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                for _ in range(PROCESSES)
            ]
            for taker in takers:
                if taker.stdout is not None:
                    taker.stdout.readline()
            for taker in takers:
                if taker.stdin is not None:
                    taker.stdin.write("\n")
                    taker.stdin.flush()
            moments = [at for taker in takers for at in json.loads(taker.communicate()[0])]
    return _fullest(moments)


def _celery() -> tuple[int, float]:
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "PLAIN_BROKER": f"{REDIS}/9",
            "PLAIN_QUEUE": f"plain_{uuid.uuid4().hex[:8]}",
            "PLAIN_URL": "",
            "PLAIN_FOLDER": folder,
        }
        workers = [
            subprocess.Popen(
                [sys.executable, *PLAIN_WORKER, "-P", "solo", "-n", f"w{n}@bench"],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for n in range(PROCESSES)
        ]
        time.sleep(4)
        enqueue_code = (
            "from benchmarks.parts.plain_celery import tick; [tick.delay() for _ in range(1200)]"
        )
        subprocess.run([sys.executable, "-c", enqueue_code], env=environment, check=True)
        time.sleep(SECONDS)
        for worker in workers:
            worker.kill()
            worker.wait()
        moments = [
            float(line)
            for path in Path(folder).glob("ticks-*")
            for line in path.read_text(encoding="ascii").split()
        ]
    return _fullest(moments)
