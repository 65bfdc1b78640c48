"""Many requesters at once spend a hard budget to the cent and never more; one key makes one job."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import require
from tests.engines.engine_site import LANES, Site

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def run_many_requesters(
    lane: str, folder: Path, *, requesters: int, requests: int, limit: str
) -> dict[str, Any]:
    far = SimpleNamespace(base_url="http://127.0.0.1:9", key="sk-nobody")
    with Site(LANES[lane], folder / "site", far) as site:  # type: ignore[arg-type]  # nobody is called
        arguments = [str(requesters), str(requests), limit]
        done = subprocess.run(
            [sys.executable, "-m", "tests.engines.site.many_requesters", *arguments],
            env=site.environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    counts: dict[str, Any] = json.loads(done.stdout)
    return counts


@pytest.mark.parametrize(
    ("lane", "requesters", "requests"), [("postgresql", 64, 200), ("sqlite", 8, 50)]
)
def test_a_budget_and_every_invariant_hold_at_any_moment(
    lane: str, requesters: int, requests: int, tmp_path: Path
) -> None:
    for service in LANES[lane].services:
        require(service)

    counts = run_many_requesters(
        lane, tmp_path, requesters=requesters, requests=requests, limit="1"
    )

    assert counts["created"] + counts["refused"] == requests
    assert counts["refused"] > 0
    assert counts["cancelled"] > 0
    # What is left is less than the smallest request costs.
    assert 0.98 < float(counts["used"]) <= 1
    assert float(counts["most at any moment"]) <= 1
    assert counts["violations"] == []
    assert counts["checks"] > 0
    assert (counts["jobs of one key"], sum(counts["one key"])) == (1, 100)
