"""Take webhooks in on PostgreSQL: how long genuine ones take, and what becomes of ten thousand forged ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

from benchmarks.report import Report, Row
from tests.engines.engine_site import LANES, Site

FORGED, GENUINE, AT_ONCE = 10_000, 1000, 50
#: The goal.
P99_MS = 50


def run(*, rounds: int) -> Report:
    """Measure in one process that has the site's settings; `rounds` have no use here."""
    del rounds
    with tempfile.TemporaryDirectory() as folder:
        server = SimpleNamespace(base_url="http://127.0.0.1:9", key="sk-benchmark")
        site = Site(LANES["postgresql"], Path(folder) / "site", server)  # type: ignore[arg-type]  # nobody is called
        with site:
            arguments = [str(n) for n in (FORGED, GENUINE, AT_ONCE)]
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.parts.sender", *arguments],
                env={**os.environ, **site.environment},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            found = json.loads(done.stdout)
    return Report(
        name="webhooks",
        rows=[Row("ours", found)],
        goals={
            "forged": "none of them taken, none answered by a 5xx",
            "time": "99 of 100 genuine ones answered within 50 ms",
            "once": f"{AT_ONCE} equal ones at once are applied once",
        },
        met={
            "forged": found["forged taken"] == 0 and found["5xx"] == 0,
            "time": found["p99 ms"] <= P99_MS,
            "once": found["applied of equal ones"] == 1,
        },
    )
