"""Run the demo's commands as processes; the folder of one run is shared, since it takes long to seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, "manage.py", *arguments], folder)


def run(command: list[str], folder: Path, *, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        input=stdin,
        env={
            **os.environ,
            "IMAGEGEN_DEMO_DIR": str(folder),
            "DJANGO_SETTINGS_MODULE": "project.settings.demo",
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("demo")
    done = demo(folder, "demo", "--once", "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    return folder, json.loads(done.stdout)
