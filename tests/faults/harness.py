"""Run one case: real workers of one engine die or are paused at a point, others follow, all is checked.

The checker reads the database by plain SQL and the simulator's own bill by HTTP.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.engines.engine_site import ENDS, LANES, Site

if TYPE_CHECKING:
    from pathlib import Path

    from imagegen_app.testing.simulator.process import SimulatorProcess

#: Points that a worker passes for each job; all are named in `core.failpoints`' callers.
POINTS = (
    "claim.before_commit",
    "claim.after_commit",
    "attempt.created",
    "attempt.sent_before_bytes",
    "submit.half_body",
    "submit.after_send_before_answer",
    "answer.headers_read",
    "answer.half_body",
    "spool.before_fsync",
    "spool.after_rename",
    "poll.after_answer",
    "answered.before_commit",
    "answered.after_commit",
    "inspect.in_decoder",
    "sign.after",
    "store.half_write",
    "store.after_write",
    "rendition.half",
    "asset.before_commit",
    "asset.after_commit_before_wakeup",
    "sweep.mid_batch",
    "seal.mid",
)
#: Points at which a child of the worker dies, and the worker continues.
OF_A_CHILD = frozenset({"inspect.in_decoder"})
#: How a worker ends: itself at the point, with all that it started, paused and woken, or as in a deploy.
MODES = ("point", "group", "pause", "deploy")
LANE_NAMES = ("postgresql", "celery-redis", "rq")


@dataclass(frozen=True)
class Case:
    """One engine, one point, one way to die."""

    lane: str
    point: str
    mode: str
    jobs: int = 20
    #: The name or path of the provider's adapter.
    adapter: str = "generic_jobs"

    def __str__(self) -> str:
        adapter = "" if self.adapter == "generic_jobs" else self.adapter.rpartition(":")[2]
        return f"{self.lane} {self.mode} {self.point} {adapter}".strip()


@dataclass(frozen=True)
class Outcome:
    """The result of a case."""

    case: Case
    seconds: float
    states: dict[str, int]
    billed: int
    violations: tuple[str, ...]
    was_hit: bool

    @property
    def extra(self) -> int:
        """Images billed beyond those wanted."""
        return self.billed - self.case.jobs

    @property
    def has_passed(self) -> bool:
        """Whether nothing was lost, nothing billed twice, and every invariant holds."""
        whole = self.states == {"succeeded": self.case.jobs}
        return whole and self.extra == 0 and not self.violations and self.was_hit


def all_cases(*, jobs: int = 20) -> list[Case]:
    """Return every case: each point on each engine, and the other ways to die on each engine."""
    return [
        *(Case(lane, point, "point", jobs) for point in POINTS for lane in LANE_NAMES),
        *(Case(lane, "", mode, jobs) for mode in MODES[1:] for lane in LANE_NAMES),
    ]


def some_cases(*, seed: str, count: int, jobs: int = 8) -> list[Case]:
    """Return a selection that changes with the seed and is the same for the same seed."""
    choices = random.Random(seed)  # noqa: S311 - a choice that can be repeated
    return sorted(choices.sample(all_cases(jobs=jobs), count), key=str)


def seed() -> str:
    """Return the commit, so that each one tries other cases; `IMAGEGEN_FAULT_SEED` replays."""
    given = os.environ.get("IMAGEGEN_FAULT_SEED")
    if given:
        return given
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "0"


def run(case: Case, *, folder: Path, simulator: SimulatorProcess) -> Outcome:
    """Run a case, and check what is left."""
    simulator.reset()
    simulator.script(latency=0.3)
    began = time.monotonic()
    with Site(LANES[case.lane], folder, simulator, adapter=case.adapter) as site:
        worker = site.start(failpoint=case.point)
        site.web.call("request", count=case.jobs)
        was_hit = True
        if case.point in OF_A_CHILD:
            _settle(site, case.jobs)
            was_hit = (folder / "token").exists() and worker.poll() is None
        elif case.mode == "point":
            was_hit = _dies(worker, seconds=45)
            site.start()
        elif case.mode == "group":
            _in_the_middle(site, case.jobs)
            site.kill(worker)
            site.start()
        elif case.mode == "deploy":
            _in_the_middle(site, case.jobs)
            site.stop(worker, seconds=60)
            site.start()
        else:
            _in_the_middle(site, case.jobs)
            worker.send_signal(signal.SIGSTOP)
            site.start()
            time.sleep(3 * 5)
            worker.send_signal(signal.SIGCONT)
        _settle(site, case.jobs)
        states: dict[str, int] = {}
        for state in site.states():
            states[state] = states.get(state, 0) + 1
        return Outcome(
            case=case,
            seconds=time.monotonic() - began,
            states=states,
            # The sandbox sends no bill: what the budget was charged counts.
            billed=(
                site.charged() if case.adapter == "sandbox" else int(simulator.bill()["images"])
            ),
            violations=tuple(site.violations()),
            was_hit=was_hit,
        )


def _dies(worker: subprocess.Popen[bytes], *, seconds: float) -> bool:
    try:
        return worker.wait(timeout=seconds) == -signal.SIGKILL
    except subprocess.TimeoutExpired:
        return False


def _in_the_middle(site: Site, jobs: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        ended = sum(state in ENDS for state in site.states())
        if ended >= max(1, jobs // 4):
            return
        time.sleep(0.05)


def _settle(site: Site, jobs: int) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until:
        if sum(state in ENDS for state in site.states()) == jobs:
            return
        time.sleep(0.1)
