"""Drain no-op tasks through Celery with its defaults and as our how-to sets it up; on Redis and PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from contextlib import closing
from typing import Any

from benchmarks.report import Report, Row, median
from tests.engines.engine_site import POSTGRESQL, REDIS

TASKS = 800
PATIENCE_SECONDS = 120
GOAL = 3.0
#: Stock: two processes, everything else at its default. Shipped: eight threads, see docs/how-to/use-celery.md.
POOLS = {"stock": ["-P", "prefork", "-c", "2"], "shipped": ["-P", "threads", "-c", "8"]}


def run(*, rounds: int) -> Report:
    """Measure tasks a second, the two by turns."""
    found: dict[str, list[float]] = {name: [] for name in POOLS}
    for _ in range(rounds):
        for name in POOLS:
            found[name].append(_drained(name))
    ratio = median(found["shipped"]) / median(found["stock"])
    return Report(
        name="drain",
        rows=[Row(f"Celery, {name}", {"tasks a second": median(found[name])}) for name in POOLS],
        ratios={"shipped to stock": ratio},
        goals={"drain": f"at least {GOAL:g} times stock Celery's no-op tasks a second"},
        met={"drain": ratio >= GOAL},
    )


def _drained(name: str) -> float:
    database = f"noop_{uuid.uuid4().hex[:8]}"
    environment = {
        **os.environ,
        "NOOP_POSTGRESQL": POSTGRESQL,
        "NOOP_DATABASE": database,
        "NOOP_BROKER": f"{REDIS}/9",
        "NOOP_QUEUE": database,
        "NOOP_SHIPPED": "1" if name == "shipped" else "",
    }
    environment["DJANGO_SETTINGS_MODULE"] = "benchmarks.parts.noop_settings"
    with closing(_connect("postgres")) as admin:
        admin.execute(f'create database "{database}"')
    try:
        with closing(_connect(database)) as here:
            here.execute("create table noop (id int primary key, state text not null)")
            here.execute("create table note (id serial primary key, job int not null)")
            here.execute(
                "insert into noop select n, 'queued' from generate_series(1, %s) n", [TASKS]
            )
            enqueue_code = (
                "from benchmarks.parts.noop_celery import step; "
                f"[step.delay(n) for n in range(1, {TASKS + 1})]"
            )
            subprocess.run([sys.executable, "-c", enqueue_code], env=environment, check=True)
            return _watch(name, environment, here)
    finally:
        with closing(_connect("postgres")) as admin:
            admin.execute(f'drop database "{database}" with (force)')


def _watch(name: str, environment: dict[str, str], here: Any) -> float:
    """Return tasks a second between the first tenth and the last one, so that starting does not count."""
    worker = subprocess.Popen(
        [
            *(sys.executable, "-m", "celery", "-A", "benchmarks.parts.noop_celery", "worker"),
            *("-l", "ERROR", "--without-mingle", "--without-gossip", *POOLS[name]),
        ],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        warm, began, until = TASKS // 10, 0.0, time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            [(done,)] = here.execute("select count(*) from note").fetchall()
            if done >= warm and not began:
                warm, began = done, time.monotonic()
            if done >= TASKS:
                return float((TASKS - warm) / (time.monotonic() - began))
            time.sleep(0.01)
        return 0.0
    finally:
        os.killpg(worker.pid, 9)
        worker.wait()


def _connect(name: str) -> Any:
    import psycopg  # noqa: PLC0415 - an extra

    host, _, port = POSTGRESQL.rpartition(":")
    return psycopg.connect(host=host, port=port, user="postgres", dbname=name, autocommit=True)
