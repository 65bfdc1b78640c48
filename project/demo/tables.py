"""Print results as tables for people."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from project.demo.main_job import Row
    from project.demo.provider_runs import ProviderRun
    from project.demo.simulated import SimulatedProvider

_OPERATIONS_WIDTH = 44


def of_jobs(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a table with a line for each job."""
    return _lines(
        ("job", "operation", "model", "cost", "asset", "file", "placed on", "credentials"),
        [
            (
                row.job[-12:],
                row.operation,
                row.model,
                row.cost,
                row.asset[-12:] or row.state,
                row.file.rpartition("/")[2][:12] + "…" if row.file else row.error,
                ", ".join(row.placed),
                row.credentials,
            )
            for row in rows
        ],
    )


def of_runs(runs: Iterable[ProviderRun]) -> Iterator[str]:
    """Yield the lines of a table with a line for each provider."""
    lines: list[tuple[str, ...]] = []
    for run in runs:
        first, *more = textwrap.wrap(", ".join(run.operations) or "none", _OPERATIONS_WIDTH)
        lines.append((run.provider, first, f"{run.seconds:.1f}", run.outcome))
        lines += [("", rest, "", "") for rest in more]
    return _lines(("provider", "operations run", "seconds", "outcome"), lines)


def of_providers(providers: Iterable[SimulatedProvider]) -> Iterator[str]:
    """Yield the lines of a table with the providers that there are."""
    return _lines(
        ("provider", "adapter", "models"),
        [(one.name, one.label, ", ".join(one.models)) for one in providers],
    )


def _lines(head: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(line[i]) for line in (head, *lines)) for i in range(len(head))]
    for line in (head, tuple("-" * width for width in widths), *lines):
        yield "  ".join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
