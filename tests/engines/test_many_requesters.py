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


def crowd(lane: str, folder: Path, *, requesters: int, requests: int, limit: str) -> dict[str, Any]:
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
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize(
    ("lane", "requesters", "requests"), [("postgresql", 64, 200), ("sqlite", 8, 50)]
)
def test_a_budget_holds_and_the_books_are_right_at_any_moment(
    lane: str, requesters: int, requests: int, tmp_path: Path
) -> None:
    for service in LANES[lane].services:
        require(service)

    told = crowd(lane, tmp_path, requesters=requesters, requests=requests, limit="1")

    assert told["made"] + told["refused"] == requests
    assert told["refused"] > 0
    assert told["cancelled"] > 0
    # What is left is less than the smallest request costs.
    assert 0.98 < float(told["used"]) <= 1
    assert float(told["most at any moment"]) <= 1
    assert told["broken"] == []
    assert told["looks"] > 0
    assert (told["jobs of one key"], sum(told["one key"])) == (1, 100)
