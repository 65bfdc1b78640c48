"""The demo outlives its worker and its server, as processes of their own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.journeys.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow
#: What the served demo starts, by the words of their commands.
CHILDREN = {"imagegen_app.testing.simulator", "imagegen_worker", "runserver"}


@pytest.fixture
def folder(demo_run: tuple[Path, dict[str, Any]], tmp_path: Path) -> Path:
    """Return a copy of the folder of a demo that was set up before."""
    return shutil.copytree(demo_run[0], tmp_path / "demo")


def begin(folder: Path, *arguments: str, failpoints: str = "") -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "IMAGEGEN_DEMO_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "project.settings.demo",
        "IMAGEGEN_TESTING": "1",
        "IMAGEGEN_FAILPOINTS": failpoints,
    }
    with (folder / "stderr.txt").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "manage.py", "demo", *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            preexec_fn=_heed_ctrl_c,  # noqa: PLW1509 - one call, and no thread of ours
        )


def _heed_ctrl_c() -> None:
    # Tests that a shell runs in the background are started with SIGINT ignored, and hand that on.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def told(folder: Path) -> str:
    return (folder / "stderr.txt").read_text()


def children(process: subprocess.Popen[str]) -> dict[str, int]:
    """Return the pids of the demo's own processes by their command."""
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    commands = {}
    for pid in found:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        # A process that is just being started or was just killed has no command.
        if len(words) > 2:
            commands[words[2]] = int(pid)
    return commands


def until(holds: Callable[[], bool], *, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_worker_killed_in_the_middle_of_a_call_is_replaced_and_the_main_job_ends(
    folder: Path,
) -> None:
    demo = begin(
        folder,
        "--once",
        "--images",
        "1",
        failpoints=f"attempt.sent_before_bytes@{folder}/token",
    )

    out, _ = demo.communicate(timeout=200)

    assert demo.returncode == 0, told(folder)
    assert "The worker died (killed by SIGKILL)" in told(folder)
    assert "1 images in" in out


def test_a_worker_that_cannot_be_kept_alive_ends_the_main_job_with_an_error(
    folder: Path,
) -> None:
    points = ",".join(f"sweep.mid_batch@{folder}/token-{n}" for n in range(9))

    demo = begin(folder, "--once", "--images", "1", failpoints=points)
    demo.communicate(timeout=200)

    assert demo.returncode == 1
    assert "the worker died 5 times within a minute" in told(folder)
    assert "imagegen_doctor" in told(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_served_demo_replaces_what_dies_and_ends_cleanly_with_ctrl_c(folder: Path) -> None:
    demo = begin(folder)
    until(lambda: set(children(demo)) == CHILDREN)
    before = children(demo)

    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    until(lambda: told(folder).count(" runs.") == len(CHILDREN))
    after = children(demo)
    os.killpg(demo.pid, signal.SIGINT)
    demo.communicate(timeout=240)

    assert demo.returncode == 0, told(folder)
    assert "The worker died (killed by SIGKILL)" in told(folder)
    assert "The server died (killed by SIGKILL)" in told(folder)
    assert "The simulated captioner died (killed by SIGKILL)" in told(folder)
    assert set(after) == set(before)
    assert not set(after.values()) & set(before.values())
    assert told(folder).count(" died ") == len(CHILDREN)
