"""Each commit tries some of the harness's cases; `python -m benchmarks faults` tries them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.conftest import require
from tests.engines.engine_site import LANES
from tests.faults import harness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(quick=True) as process:
        yield process


@pytest.mark.parametrize("number", range(6))
def test_nothing_is_lost_and_nothing_billed_twice(
    number: int, tmp_path: Path, simulator: SimulatorProcess
) -> None:
    case = harness.some_cases(seed=harness.seed(), count=6)[number]
    for service in LANES[case.lane].services:
        require(service)

    outcome = harness.run(case, folder=tmp_path / "site", simulator=simulator)

    assert outcome.has_passed, outcome
