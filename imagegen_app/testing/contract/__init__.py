"""The contract that every adapter keeps, ours and yours; pytest runs it against the simulator.

In a project of your own::

    from imagegen_app.testing.contract import AdapterContract


    class TestMine(AdapterContract):
        samples = MY_SAMPLES
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Importing these modules adds their checks, in this order: each begins with what must be refused.
from imagegen_app.testing.contract import (
    asked_for,
    deliveries,
    failures,
    hosts,
    jobs,
    operations,
    previews,
)
from imagegen_app.testing.contract.bench import ContractBroken
from imagegen_app.testing.contract.checks import Check, all_checks, checks_for, run_check
from imagegen_app.testing.contract.samples import (
    Samples,
    require_samples,
    sample_image,
    sample_mask,
    sample_requests,
)

if TYPE_CHECKING:
    from imagegen_app.testing.contract.suite import AdapterContract

__all__ = [
    "AdapterContract",
    "Check",
    "ContractBroken",
    "Samples",
    "all_checks",
    "asked_for",
    "checks_for",
    "deliveries",
    "failures",
    "hosts",
    "jobs",
    "operations",
    "previews",
    "require_samples",
    "run_check",
    "sample_image",
    "sample_mask",
    "sample_requests",
]


def __getattr__(name: str) -> Any:
    """Import the test class on first use: it needs pytest, and the samples do not."""
    if name == "AdapterContract":
        return importlib.import_module("imagegen_app.testing.contract.suite").AdapterContract
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
