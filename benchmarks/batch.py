"""Make 10,000 jobs from a template and a table, beside a request a row, on PostgreSQL."""

from __future__ import annotations

import os
import sys
import tempfile
import time

from benchmarks.report import Report, Row, median

ROWS = 10_000
#: So many are enough to know what one request costs.
SINGLE_ROWS = 200
SECONDS = 10.0
DATABASE = "imagegen_benchmark"


def run(*, rounds: int) -> Report:
    """Make the batch anew each round; the peer is the service that makes one job a call."""
    _set_up()
    # Only now: Django is set up.
    from benchmarks.parts import shop  # noqa: PLC0415

    starts, chunks, singles = [], [], []
    for number in range(rounds):
        keys = shop.products(ROWS)
        began = time.perf_counter()
        batch = shop.start(keys)
        started = time.perf_counter()
        shop.prepare()
        ended = time.perf_counter()
        if batch.jobs.count() != ROWS:
            raise RuntimeError("not every row became a job")
        starts.append(started - began)
        chunks.append(ended - started)
        singles.append(shop.one_by_one(SINGLE_ROWS) / SINGLE_ROWS * ROWS)
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    ours, single = median(chunks), median(singles)
    return Report(
        name="batch",
        rows=[
            Row("in chunks", {"rows": ROWS, "request s": median(starts), "jobs made in s": ours}),
            Row("a request a row", {"rows": ROWS, "jobs made in s": single}),
        ],
        ratios={"a request a row / in chunks": single / ours},
        goals={"10,000 rows": f"under {SECONDS:g} s on PostgreSQL, and no request is held open"},
        met={"10,000 rows": ours < SECONDS and median(starts) < 1},
    )


def _set_up() -> None:
    import django  # noqa: PLC0415 - after the environment is set

    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.parts.settings"
    os.environ.setdefault("IMAGEGEN_DEMO_DIR", tempfile.mkdtemp())
    os.environ["IMAGEGEN_BENCHMARK_DATABASE"] = DATABASE
    django.setup()
