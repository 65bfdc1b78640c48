"""The contract once more over TLS, whose reads end elsewhere than those of plain connections.

One adapter for each shape of answers: base64 in JSON and streams of events, forms, and jobs with downloads.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imagegen_app.testing.contract import AdapterContract
from imagegen_app.testing.contract.our_samples import SAMPLES
from imagegen_app.testing.contract.suite import simulator_for
from tests.providers.certificates import certificate

if TYPE_CHECKING:
    from imagegen_app.testing.simulator.process import SimulatorProcess

_PEM = pytest.StashKey[Path]()


class OverTls(AdapterContract):
    """The contract with a simulator that speaks TLS by a certificate of its own."""

    __test__ = False

    @pytest.fixture(autouse=True)
    def _certificate(
        self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        if _PEM not in request.config.stash:
            folder = tmp_path_factory.mktemp("tls")
            certificate(folder, "127.0.0.1")
            request.config.stash[_PEM] = folder / "server.pem"

    def simulator(self, config: pytest.Config) -> SimulatorProcess:
        """Return a simulator that speaks TLS."""
        process = simulator_for(config, self.samples.protocol, certificate=config.stash[_PEM])
        assert process.base_url.startswith("https://")
        assert process.other_url.startswith("https://")
        return process


for _name in ("openai", "stability", "replicate"):
    _class = f"Test_{_name}_over_tls"
    globals()[_class] = type(_class, (OverTls,), {"samples": SAMPLES[_name], "__test__": True})
