"""A real worker that never looks by itself works on a job, because the web process wakes it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.conftest import require
from tests.engines.engine_site import LANES, ROOT, Site

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

_WORKER = """
import django
django.setup()
from django.core.management import call_command
from imagegen_app.engines import django_tasks, local_sockets
django_tasks.LOOK_SECONDS = 3600.0
if {is_on_another_host}:
    local_sockets._host = lambda: "another"
call_command("imagegen_worker", sweep_seconds=3600.0, verbosity=0)
"""


@pytest.mark.parametrize(
    ("name", "is_on_another_host"),
    [("sqlite", False), ("postgresql", False), ("postgresql", True)],
    ids=["socket, SQLite", "socket, PostgreSQL", "notification"],
)
def test_a_worker_that_never_looks_is_woken(
    tmp_path: Path, name: str, is_on_another_host: bool
) -> None:
    lane = LANES[name]
    for service in lane.services:
        require(service)
    code = _WORKER.format(is_on_another_host=is_on_another_host)
    with (
        SimulatorProcess(quick=True) as simulator,
        Site(lane, tmp_path / "site", simulator) as site,
        site.log.open("ab") as log,
    ):
        worker = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=site.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        site.workers.append(worker)
        # The first one may be found by the worker's first look; the second only by waking it.
        for number in (1, 2):
            site.web.call("request", count=1)
            site.wait(ended=number, seconds=180)

        assert site.states() == ["succeeded"] * 2
