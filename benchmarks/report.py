"""Hold what a benchmark measured, and print it for people or as one JSON object."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Figures = dict[str, float | int | str]


@dataclass(frozen=True)
class Row:
    """One system's figures."""

    system: str
    figures: Figures


@dataclass(frozen=True)
class Report:
    """What one benchmark found."""

    name: str
    rows: list[Row]
    #: Ours against another system's, by name.
    ratios: dict[str, float] = field(default_factory=dict)
    #: What is aimed at, in words, by name.
    goals: dict[str, str] = field(default_factory=dict)
    #: Whether each goal was met.
    met: dict[str, bool] = field(default_factory=dict)

    def as_json(self) -> str:
        """Return the report as one JSON object."""
        return json.dumps({**asdict(self), "machine": this_machine()}, ensure_ascii=False)

    def as_text(self) -> str:
        """Return the report as a table with its goals below."""
        columns = list(dict.fromkeys(name for row in self.rows for name in row.figures))
        lines = [("system", *columns)]
        lines += [
            (row.system, *(_shown(row.figures.get(name, "")) for name in columns))
            for row in self.rows
        ]
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        text = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
        text += [f"{name}: {ratio:.2f}" for name, ratio in self.ratios.items()]
        text += [
            f"{'met' if self.met.get(name) else 'NOT MET'}  {name}: {goal}"
            for name, goal in self.goals.items()
        ]
        return "\n".join(text)


def median(values: Sequence[float]) -> float:
    """Return the median, rounded to four significant digits."""
    return float(f"{statistics.median(values):.4g}")


def this_machine() -> dict[str, str | int]:
    """Describe where the figures come from; load average tells how busy it was."""
    return {
        "python": platform.python_version(),
        "cpus": os.cpu_count() or 0,
        "load": f"{os.getloadavg()[0]:.2f}",
        "system": platform.platform(terse=True),
    }


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
