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


def test_every_operation_that_an_adapter_offers_has_a_sample() -> None:
    lacking = {}
    for adapter in registry.describe_all():
        offered = {
            operation
            for model in adapter.example_models
            for operation in registry.capabilities(adapter.name, model).operations
        }
        own = [one for one in SAMPLES.values() if one.adapter == adapter.name]
        sampled = {operation for one in own for operation in one.requests}
        if offered - sampled:
            lacking[adapter.name] = sorted(one.value for one in offered - sampled)

    assert lacking == {}


# One class an adapter, so that its name is in the name of each test.
for _name, _samples in SAMPLES.items():
    _class = f"Test_{_name.replace('-', '_')}"
    globals()[_class] = type(_class, (AdapterContract,), {"samples": _samples})
