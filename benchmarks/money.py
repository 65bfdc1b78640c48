"""Let 64 requesters spend one hard budget at once: overspent money, and what a reservation adds to a request."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.report import Report, Row
from tests.engines.test_many_requesters import run_many_requesters

REQUESTERS, REQUESTS, LIMIT = 64, 10_000, "150"
#: The goal.
MAX_ADDED_MS = 2


def run(*, rounds: int) -> Report:
    """Run them once on PostgreSQL; the budget is checked against the ledger all the time."""
    del rounds
    with tempfile.TemporaryDirectory() as folder:
        figures = run_many_requesters(
            "postgresql", Path(folder), requesters=REQUESTERS, requests=REQUESTS, limit=LIMIT
        )
    print(figures, file=sys.stderr)
    shown = {name: value for name, value in figures.items() if not isinstance(value, list)}
    exact = float(figures["most at any moment"]) <= float(LIMIT) and not figures["violations"]
    return Report(
        name="money",
        rows=[Row(f"{REQUESTERS} requesters", shown)],
        goals={
            "exact": "never over the budget, the ledger agrees at every check",
            "once": "one key of a hundred requests at once makes one job",
            "added": f"a reservation adds at most {MAX_ADDED_MS} ms",
        },
        met={
            "exact": exact,
            "once": figures["jobs of one key"] == 1,
            "added": figures["added ms"] <= MAX_ADDED_MS,
        },
    )
