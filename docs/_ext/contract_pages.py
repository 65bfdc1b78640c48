"""Make the reference pages of the contract that adapters keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reference_pages import cell, code, table

from imagegen_app.testing.contract import all_checks, checks_for, planted
from imagegen_app.testing.contract.our_samples import SAMPLES
from imagegen_app.testing.contract.screening import all_screener_checks, screener_checks_for
from imagegen_app.testing.contract.screening.our_samples import SCREENERS
from imagegen_app.testing.contract.screening.planted import fault_table

if TYPE_CHECKING:
    from collections.abc import Callable


def contract() -> str:
    """List every check, with the adapters that come with the package and that it concerns."""
    concerned = {name: checks_for(samples) for name, samples in SAMPLES.items()}
    return table(
        ("check", "what must hold", "concerns"),
        (
            (
                code(check.name),
                cell(check.sentence),
                ", ".join(code(name) for name, checks in concerned.items() if check in checks),
            )
            for check in all_checks()
        ),
    )


def planted_faults() -> str:
    """Show which fault is caught in which adapter."""
    return planted.table(SAMPLES)


def screener_contract() -> str:
    """List every check of screeners, with those that come with the package and that it concerns."""
    concerned = {name: screener_checks_for(samples) for name, samples in SCREENERS.items()}
    return table(
        ("check", "what must hold", "concerns"),
        (
            (
                code(check.name),
                cell(check.sentence),
                ", ".join(code(name) for name, checks in concerned.items() if check in checks),
            )
            for check in all_screener_checks()
        ),
    )


def planted_screener_faults() -> str:
    """Show which fault is caught in which screener."""
    return fault_table(SCREENERS)


PAGES: dict[str, Callable[[], str]] = {
    "contract": contract,
    "planted-faults": planted_faults,
    "screener-contract": screener_contract,
    "planted-screener-faults": planted_screener_faults,
}
