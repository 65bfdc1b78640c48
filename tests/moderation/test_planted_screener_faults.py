"""The contract catches the faults that screeners may have: each is planted in each screener."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imagegen_app.testing.contract import ContractBroken
from imagegen_app.testing.contract.screening import all_screener_checks, run_screener_check
from imagegen_app.testing.contract.screening.our_samples import SCREENERS
from imagegen_app.testing.contract.screening.planted import (
    SCREENER_FAULTS,
    NoScreenerFault,
    ScreenerFault,
    fault_table,
    plantable_faults,
    planted_in,
)
from imagegen_app.testing.contract.suite import simulator_for

CHECKS = {check.name: check for check in all_screener_checks()}


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        pytest.param(name, fault, id=f"{name}-{fault.kind.__name__}")
        for name, fault in plantable_faults(SCREENERS)
    ],
)
def test_a_planted_fault_is_caught_by_its_check(
    pytestconfig: pytest.Config, name: str, fault: ScreenerFault
) -> None:
    samples, check = SCREENERS[name], CHECKS[fault.caught_by]
    simulator = simulator_for(pytestconfig, samples.protocol) if samples.protocol else None

    run_screener_check(check, planted_in(samples, NoScreenerFault), simulator=simulator)
    # What waits on is waited for: no longer than it takes to see it.
    sick = replace(planted_in(samples, fault.kind), grace_seconds=0.2)
    with pytest.raises(ContractBroken):
        run_screener_check(check, sick, simulator=simulator)


def test_every_fault_can_be_planted_in_the_hosted_screeners() -> None:
    planted = plantable_faults(SCREENERS)

    for name in ("openai_moderation", "http_classifier"):
        assert [fault for where, fault in planted if where == name] == list(SCREENER_FAULTS)
    rows = fault_table(SCREENERS).splitlines()[2:]
    assert sum(row.count(" caught ") for row in rows) == len(planted)
