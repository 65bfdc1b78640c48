"""Kill workers on SQLite, whose only writer may die at any point: nothing is lost or billed twice.

The other databases and engines are tried by `test_engines`, with points that change by commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.faults import harness

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

CASES = [
    harness.Case("sqlite", "", "group", jobs=30),
    # One of each kind of moment; `python -m benchmarks faults` tries all points on the other databases.
    *(
        harness.Case("sqlite", point, "point", jobs=3)
        for point in (
            "attempt.sent_before_bytes",
            "spool.after_rename",
            "answered.before_commit",
            "asset.before_commit",
        )
    ),
    # Calls without an answer, to providers that heed idempotency keys and cannot be asked.
    *(
        harness.Case("sqlite", point, "point", jobs=2, adapter=adapter)
        for point, adapter in (
            ("attempt.sent_before_bytes", "sandbox"),
            ("submit.after_send_before_answer", "sandbox"),
            ("submit.after_send_before_answer", "tests.services.worker.strangers:Keyed"),
        )
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_next_worker_finishes_what_a_killed_one_left(
    case: harness.Case, tmp_path: Path
) -> None:
    with SimulatorProcess(quick=True) as simulator:
        outcome = harness.run(case, folder=tmp_path / "site", simulator=simulator)

    assert outcome.has_passed, outcome
