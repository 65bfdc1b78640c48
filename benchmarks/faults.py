"""Kill, pause and restart real workers on three engines, and make the services around them fail; nothing lost, nothing billed twice."""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.report import Report, Row
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.faults import harness, outages

#: One case uses about half a core.
SIDE_BY_SIDE = 2

Case = harness.Case | outages.Outage
Outcome = harness.Outcome | outages.Outcome


def _play(cases: list[Case]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    with SimulatorProcess(quick=True) as simulator:
        for case in cases:
            with tempfile.TemporaryDirectory() as folder:
                outcome = _one(case, Path(folder) / "site", simulator)
            outcomes.append(outcome)
            verdict = "passed" if outcome.has_passed else f"FAILED {outcome}"
            print(f"{case}: {outcome.seconds:.1f} s, {verdict}", file=sys.stderr, flush=True)
    return outcomes


def _one(case: Case, folder: Path, simulator: SimulatorProcess) -> Outcome:
    if isinstance(case, outages.Outage):
        return outages.run(case, folder=folder, simulator=simulator)
    return harness.run(case, folder=folder, simulator=simulator)


def run(*, rounds: int) -> Report:
    """Play every case once; more rounds play them again."""
    cases: list[Case] = [*harness.all_cases(), *outages.all_outages()] * max(1, rounds // 3)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        # Every other case to each: both sides meet all engines.
        sides = [cases[number::SIDE_BY_SIDE] for number in range(SIDE_BY_SIDE)]
        outcomes = [outcome for side in pool.map(_play, sides) for outcome in side]
    worker_failures = [one for one in outcomes if isinstance(one, harness.Outcome)]
    rows = [
        _worker_failure_row(
            lane, mode, [o for o in worker_failures if (o.case.lane, o.case.mode) == (lane, mode)]
        )
        for lane in harness.LANE_NAMES
        for mode in harness.MODES
    ]
    rows += [_outage_row(one) for one in outcomes if isinstance(one, outages.Outcome)]
    return Report(
        name="faults",
        rows=rows,
        goals={"all": "no job lost, none billed twice, every invariant holds, every point reached"},
        met={"all": all(one.has_passed for one in outcomes)},
    )


def _worker_failure_row(lane: str, mode: str, outcomes: list[harness.Outcome]) -> Row:
    wanted = sum(o.case.jobs for o in outcomes)
    return Row(
        f"{lane}, {mode}",
        {
            "cases": len(outcomes),
            "passed": sum(o.has_passed for o in outcomes),
            "jobs": wanted,
            "lost": wanted - sum(o.states.get("succeeded", 0) for o in outcomes),
            "billed too often": sum(o.extra for o in outcomes),
            "broken invariants": sum(len(o.violations) for o in outcomes),
            "s": round(sum(o.seconds for o in outcomes), 1),
        },
    )


def _outage_row(one: outages.Outcome) -> Row:
    ended = sum(one.states.get(state, 0) for state in ("succeeded", "cancelled"))
    return Row(
        str(one.outage),
        {
            "cases": 1,
            "passed": int(one.has_passed),
            "jobs": one.outage.jobs,
            "lost": one.outage.jobs - ended,
            "billed too often": one.billed - one.charged,
            "broken invariants": len(one.violations),
            "s": round(one.seconds, 1),
        },
    )
