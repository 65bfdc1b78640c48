"""Collect the checks of the contract: each is a function with a sentence that says what must hold."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagegen_app.core.errors import ProviderError
from imagegen_app.testing.contract.bench import Bench, ContractBroken

if TYPE_CHECKING:
    from imagegen_app.testing.contract.samples import Samples
    from imagegen_app.testing.simulator.process import SimulatorProcess

Run = Callable[[Bench], Awaitable[None]]
#: Tells whether a check concerns an adapter.
Applies = Callable[[Bench], bool]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that every adapter has to keep."""

    run: Run
    applies: Applies

    @property
    def name(self) -> str:
        """Its name in tests and tables."""
        return self.run.__name__

    @property
    def sentence(self) -> str:
        """What must hold."""
        return (inspect.getdoc(self.run) or "").split("\n\n", maxsplit=1)[0]


_CHECKS: list[Check] = []


def check(applies: Applies) -> Callable[[Run], Run]:
    """Add a function to the contract, for the adapters that it concerns."""

    def add(run: Run) -> Run:
        _CHECKS.append(Check(run, applies))
        return run

    return add


def always(bench: Bench) -> bool:
    """Concern every adapter."""
    del bench
    return True


def remote(bench: Bench) -> bool:
    """Concern adapters that make calls."""
    return bench.declared.is_remote


def jobs(bench: Bench) -> bool:
    """Concern adapters that have calls which become jobs."""
    return remote(bench) and bench.samples.first_job is not None


def webhooks(bench: Bench) -> bool:
    """Concern adapters whose provider sends webhooks.

    Further samples of one, of a model without jobs, are excused: webhooks tell of jobs.
    """
    is_excused = bench.samples.variant and bench.samples.first_job is None
    return remote(bench) and bool(bench.declared.webhook_kind) and not is_excused


def all_checks() -> tuple[Check, ...]:
    """Return every check, in the order in which they are declared."""
    return tuple(_CHECKS)


def checks_for(samples: Samples) -> tuple[Check, ...]:
    """Return the checks that concern an adapter."""
    # Neither a simulator nor a folder is needed to ask what an adapter declares.
    bench = Bench(samples, simulator=None, folder=Path())
    return tuple(one for one in _CHECKS if one.applies(bench))


def run_check(
    one: Check, samples: Samples, *, simulator: SimulatorProcess | None, folder: Path
) -> None:
    """Run one check.

    :raises ContractBroken: if the adapter does not keep it.
    """
    if simulator is not None:
        simulator.reset()
    bench = Bench(samples, simulator=simulator, folder=folder)
    with bench.watched():
        asyncio.run(_completed(one, bench))


async def _completed(one: Check, bench: Bench) -> None:
    try:
        await one.run(bench)
    except ProviderError as error:
        name = type(error).__name__
        raise ContractBroken(f"{name} where none belongs: {error.detail}") from error
