"""The contract, for every adapter of the registry."""

from __future__ import annotations

import pytest

from imagegen_app.providers import registry
from imagegen_app.testing.contract import AdapterContract, require_samples
from imagegen_app.testing.contract.our_samples import SAMPLES


def test_every_adapter_of_the_registry_has_samples() -> None:
    with pytest.raises(AssertionError, match="no samples for the contract: painter"):
        require_samples(SAMPLES, adapters=[*registry.adapter_names(), "painter"])

    require_samples(SAMPLES, adapters=registry.adapter_names())


# One class an adapter, so that its name is in the name of each test.
for _name, _samples in SAMPLES.items():
    _class = f"Test_{_name.replace('-', '_')}"
    globals()[_class] = type(_class, (AdapterContract,), {"samples": _samples})
