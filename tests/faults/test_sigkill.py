"""Kill real workers, and see that nothing is lost and nothing billed twice."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.faults.invariants import broken

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
ENDS = {"succeeded", "failed", "blocked", "cancelled", "expired", "uncertain"}
#: One of each kind of moment; all of them with IMAGEGEN_FULL_FAULTS=1.
POINTS = [
    "attempt.sent_before_bytes",
    "spool.after_rename",
    "answered.before_commit",
    "asset.before_commit",
]
MORE_POINTS = [
    "claim.before_commit",
    "claim.after_commit",
    "attempt.created",
    "submit.after_send_before_answer",
    "answer.headers_read",
    "answer.half_body",
    "spool.before_fsync",
    "answered.after_commit",
    "sign.after",
    "rendition.half",
    "store.half_write",
    "store.after_write",
    "asset.after_commit_before_ring",
    "seal.mid",
]
if os.environ.get("IMAGEGEN_FULL_FAULTS") == "1":
    POINTS += MORE_POINTS


class Demo:
    """A demo in a folder of its own, and its worker."""

    def __init__(self, folder: Path, simulator: SimulatorProcess) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "IMAGEGEN_DEMO_DIR": str(folder),
            "DJANGO_SETTINGS_MODULE": "project.settings.demo",
            "OPENAI_API_KEY": simulator.key,
            "OPENAI_BASE_URL": simulator.openai_url,
            "IMAGEGEN_TESTING": "1",
        }
        self.worker: subprocess.Popen[bytes] | None = None

    def request(self, number: int) -> None:
        subprocess.run(
            [sys.executable, str(ROOT / "tests/faults/many_requests.py"), str(number)],
            env=self.environment,
            check=True,
            capture_output=True,
        )

    def start(self, *, failpoint: str = "") -> None:
        extra = {"IMAGEGEN_FAILPOINTS": f"{failpoint}@{self.folder}/token"} if failpoint else {}
        self.worker = subprocess.Popen(
            [sys.executable, "manage.py", "imagegen_worker", "--sweep-seconds", "1", "-v", "0"],
            cwd=ROOT,
            env={**self.environment, **extra},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        if self.worker is not None and self.worker.poll() is None:
            self.worker.send_signal(signal.SIGKILL)
        if self.worker is not None:
            self.worker.wait()

    def ask(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self.folder / "demo.sqlite3", timeout=20)) as database:
            return database.execute(query).fetchall()

    def states(self) -> list[str]:
        return [row[0] for row in self.ask("select state from imagegen_job")]

    def wait(self, *, ended: int, seconds: float) -> None:
        until = time.monotonic() + seconds
        while sum(state in ENDS for state in self.states()) < ended:
            assert time.monotonic() < until, self.states()
            time.sleep(0.1)

    def broken(self) -> list[str]:
        with closing(sqlite3.connect(self.folder / "demo.sqlite3", timeout=20)) as database:
            return broken(database, self.folder / "imagegen")


@pytest.fixture
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(quick=True) as process:
        yield process


@pytest.fixture
def demo(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[Demo]:
    made = Demo(tmp_path, simulator)
    yield made
    made.kill()


@pytest.mark.slow
def test_a_killed_worker_loses_none_of_thirty_images_and_bills_none_twice(
    demo: Demo, simulator: SimulatorProcess
) -> None:
    simulator.script(latency=0.2)
    demo.request(30)
    demo.start()
    demo.wait(ended=4, seconds=60)

    demo.kill()
    demo.start()
    demo.wait(ended=30, seconds=120)

    assert demo.states() == ["succeeded"] * 30
    assert simulator.bill()["images"] == 30
    assert demo.broken() == []


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_dies_at_a_point_is_followed_by_one_that_finishes(
    demo: Demo, simulator: SimulatorProcess, point: str
) -> None:
    demo.request(3)
    demo.start(failpoint=point)
    assert demo.worker is not None
    demo.worker.wait(timeout=60)
    assert demo.worker.returncode == -signal.SIGKILL

    demo.start()
    demo.wait(ended=3, seconds=90)

    assert demo.states() == ["succeeded"] * 3
    assert simulator.bill()["images"] == 3
    assert demo.broken() == []
