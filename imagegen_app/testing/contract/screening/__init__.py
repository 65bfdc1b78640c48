"""The contract that every screener keeps, ours and yours; pytest runs it against the simulator.

In a project of your own::

    from imagegen_app.testing.contract.screening import ScreenerContract


    class TestMine(ScreenerContract):
        samples = MY_SAMPLES
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from imagegen_app.testing.contract.screening.checks import (
    ScreenerCheck,
    all_screener_checks,
    run_screener_check,
    screener_checks_for,
)
from imagegen_app.testing.contract.screening.samples import ScreenerSamples, coloured_image

if TYPE_CHECKING:
    from imagegen_app.testing.contract.screening.suite import ScreenerContract

__all__ = [
    "ScreenerCheck",
    "ScreenerContract",
    "ScreenerSamples",
    "all_screener_checks",
    "coloured_image",
    "run_screener_check",
    "screener_checks_for",
]


def __getattr__(name: str) -> Any:
    """Import the test class on first use: it needs pytest, and the samples do not."""
    if name == "ScreenerContract":
        return importlib.import_module(f"{__name__}.suite").ScreenerContract
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
