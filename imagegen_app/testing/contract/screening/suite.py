"""Run the contract of screeners by pytest: one test a check, in a class that names its samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from imagegen_app.testing.contract.screening.checks import (
    ScreenerCheck,
    run_screener_check,
    screener_checks_for,
)
from imagegen_app.testing.contract.suite import simulator_for

if TYPE_CHECKING:
    import pytest

    from imagegen_app.testing.contract.screening.samples import ScreenerSamples


class ScreenerContract:
    """The contract as a test class; a subclass sets `samples`."""

    samples: ClassVar[ScreenerSamples]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make a test of each check that concerns the screener."""
        if "screener_check" in metafunc.fixturenames:
            checks = screener_checks_for(self.samples)
            metafunc.parametrize("screener_check", checks, ids=[one.name for one in checks])

    def test_contract(self, screener_check: ScreenerCheck, request: pytest.FixtureRequest) -> None:
        """Run one check."""
        simulator = None
        if self.samples.protocol:
            simulator = simulator_for(request.config, self.samples.protocol)
        run_screener_check(screener_check, self.samples, simulator=simulator)
