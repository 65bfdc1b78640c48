"""The harness notices what is broken on purpose, and plays the same cases for the same seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.engines.engine_site import LANES, Site
from tests.faults import harness

if TYPE_CHECKING:
    from pathlib import Path

#: What is broken, and what is found by it.
MUTATIONS = {
    "lose_bookings": "a budget whose counters differ from its ledger",
    "lose_events": "an end without its event",
    "lose_files": "an asset without its file",
}


def test_the_same_seed_gives_the_same_cases_and_another_one_others() -> None:
    assert harness.some_cases(seed="a", count=6) == harness.some_cases(seed="a", count=6)
    assert harness.some_cases(seed="a", count=6) != harness.some_cases(seed="b", count=6)
    assert len({str(case) for case in harness.all_cases()}) == len(harness.all_cases())


def test_an_outcome_is_good_only_if_all_of_it_is() -> None:
    case = harness.Case("sqlite", "", "group", jobs=2)
    good = harness.Outcome(case, 1.0, {"succeeded": 2}, 2, (), was_hit=True)

    assert good.has_passed
    assert not harness.Outcome(case, 1.0, {"succeeded": 2}, 3, (), was_hit=True).has_passed
    assert not harness.Outcome(case, 1.0, {"succeeded": 1}, 2, (), was_hit=True).has_passed
    assert not harness.Outcome(case, 1.0, {"succeeded": 2}, 2, ("x",), was_hit=True).has_passed
    assert not harness.Outcome(case, 1.0, {"succeeded": 2}, 2, (), was_hit=False).has_passed


@pytest.mark.slow
def test_each_planted_fault_is_found(tmp_path: Path) -> None:
    with (
        SimulatorProcess(quick=True) as simulator,
        Site(LANES["sqlite"], tmp_path / "site", simulator, mutation=",".join(MUTATIONS)) as site,
    ):
        site.start()
        site.web.call("request", count=2)
        site.wait(ended=2, seconds=180)

        assert set(site.violations()) >= set(MUTATIONS.values())


@pytest.mark.slow
def test_a_call_that_is_sent_twice_is_found_on_the_bill(tmp_path: Path) -> None:
    with (
        SimulatorProcess(quick=True) as simulator,
        Site(
            LANES["sqlite"],
            tmp_path / "site",
            simulator,
            adapter="openai",
            mutation="send_again",
        ) as site,
    ):
        worker = site.start(failpoint="submit.after_send_before_answer")
        site.web.call("request", count=2, size="1024x1024")
        worker.wait(timeout=180)
        site.start()
        site.wait(ended=2, seconds=180)

        assert simulator.bill()["images"] > 2
