"""Run the contract by pytest: one test a check, in a class that names its samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from imagegen_app.testing.contract.bench import KEY
from imagegen_app.testing.contract.checks import Check, checks_for, run_check
from imagegen_app.testing.simulator.process import SimulatorProcess

if TYPE_CHECKING:
    from pathlib import Path

    from imagegen_app.testing.contract.samples import Samples

_RUNNING = pytest.StashKey[dict[str, SimulatorProcess]]()


class AdapterContract:
    """The contract as a test class; a subclass sets `samples`."""

    samples: ClassVar[Samples]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make a test of each check that concerns the adapter."""
        if "contract_check" in metafunc.fixturenames:
            checks = checks_for(self.samples)
            metafunc.parametrize("contract_check", checks, ids=[check.name for check in checks])

    def test_contract(
        self, contract_check: Check, request: pytest.FixtureRequest, tmp_path: Path
    ) -> None:
        """Run one check."""
        simulator = self.simulator(request.config) if self.samples.protocol else None
        run_check(contract_check, self.samples, simulator=simulator, folder=tmp_path)

    def simulator(self, config: pytest.Config) -> SimulatorProcess:
        """Return the simulator that plays the provider."""
        return simulator_for(config, self.samples.protocol)


def simulator_for(
    config: pytest.Config, protocol: str, *, certificate: Path | None = None
) -> SimulatorProcess:
    """Return the running simulator of a protocol; it is stopped when the session ends.

    With the PEM file of a key and its certificate, it is one that speaks TLS.
    """
    running = config.stash.setdefault(_RUNNING, {})
    name = f"{protocol} {certificate or ''}"
    if name not in running:
        process = SimulatorProcess(
            keys=(KEY,), quick=True, protocols=(protocol,), certificate=certificate
        )
        process.start()
        config.add_cleanup(process.stop)
        running[name] = process
    return running[name]
