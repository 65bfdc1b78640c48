"""Start a site with the app and the same site without it: the time that `django.setup()` takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.report import Report, Row, median

ROOT = Path(__file__).resolve().parent.parent
#: The goal: what the app may add to the start of every process of the site.
MAX_ADDED_MS = 150
#: Starts of each site a round; the first round of all is not counted, since it compiles.
STARTS = 5


def run(*, rounds: int) -> Report:
    """Start both sites in turn, so that both meet the same machine."""
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("with", "without"):
            _start(kind, Path(folder))
        starts = [
            (_start("without", Path(folder)), _start("with", Path(folder)))
            for _ in range(rounds * STARTS)
        ]
    without, with_app = (
        Row(
            system,
            {
                "wall ms": median([one["wall_ms"] for one in found]),
                "CPU ms": median([one["cpu_ms"] for one in found]),
                "modules": median([len(one["modules"]) for one in found]),
            },
        )
        for system, found in zip(
            ("a bare site", "the same with imagegen_app"), zip(*starts, strict=True), strict=True
        )
    )
    added = median([ours["cpu_ms"] - theirs["cpu_ms"] for theirs, ours in starts])
    least = min(one["cpu_ms"] for _, one in starts) - min(one["cpu_ms"] for one, _ in starts)
    return Report(
        name="startup",
        rows=[without, with_app, Row("added", {"CPU ms": added, "least CPU ms": round(least, 1)})],
        ratios={
            "with to without, CPU": float(with_app.figures["CPU ms"])
            / float(without.figures["CPU ms"])
        },
        goals={"added": f"at most {MAX_ADDED_MS} ms more than without"},
        met={"added": added <= MAX_ADDED_MS},
    )


def _start(kind: str, folder: Path) -> dict[str, Any]:
    script = ROOT / "tests" / "architecture" / "start_up.py"
    # Like an installed package: with the bytecode that a first start has written.
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
    }
    for name in ("PYTHONDONTWRITEBYTECODE", "DJANGO_SETTINGS_MODULE"):
        environment.pop(name, None)
    answer = subprocess.run(
        [sys.executable, str(script), str(ROOT / "README.md"), str(folder), kind],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    figures: dict[str, Any] = json.loads(answer.stdout)
    return figures
