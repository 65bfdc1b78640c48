"""The suite's settings keep test processes out of each other's files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PRINT = "from project.settings import test; print(test.MEDIA_ROOT)"


def media_root(folder: Path, worker: str) -> Path:
    environment = {**os.environ, "IMAGEGEN_DEMO_DIR": str(folder), "PYTEST_XDIST_WORKER": worker}
    command = [sys.executable, "-c", PRINT]
    return Path(subprocess.check_output(command, env=environment, text=True).strip())


@pytest.mark.parametrize(
    ("folder", "worker", "expected"),
    [
        ("", "gw0", "gw0/media"),
        ("", "gw1", "gw1/media"),
        # A process that a test started.
        ("gw1", "gw1", "gw1/media"),
        ("", "", "media"),
    ],
)
def test_each_test_process_stores_files_in_a_folder_of_its_own(
    folder: str, worker: str, expected: str, tmp_path: Path
) -> None:
    assert media_root(tmp_path / folder, worker) == tmp_path / expected
