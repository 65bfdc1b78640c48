"""Let 64 requesters spend one hard budget at once: overspent money, and what a reservation adds to a request."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.report import Report, Row
from tests.engines.test_many_requesters import run_many_requesters

REQUESTERS, REQUESTS, LIMIT = 64, 10_000, "150"
#: The goal.
ADDED_MS = 2


def run(*, rounds: int) -> Report:
    """Let them loose once on PostgreSQL; the books are audited all the time."""
    del rounds
    with tempfile.TemporaryDirectory() as folder:
        told = run_many_requesters(
            "postgresql", Path(folder), requesters=REQUESTERS, requests=REQUESTS, limit=LIMIT
        )
    print(told, file=sys.stderr)
    shown = {name: value for name, value in told.items() if not isinstance(value, list)}
    exact = float(told["most at any moment"]) <= float(LIMIT) and not told["violations"]
    return Report(
        name="money",
        rows=[Row(f"{REQUESTERS} requesters", shown)],
        goals={
            "exact": "never over the budget, the books right whenever looked at",
            "once": "one key of a hundred requests at once makes one job",
            "added": f"a reservation adds at most {ADDED_MS} ms",
        },
        met={
            "exact": exact,
            "once": told["jobs of one key"] == 1,
            "added": told["added ms"] <= ADDED_MS,
        },
    )
