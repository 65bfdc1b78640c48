from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize("name", ["lib", "images"])
def test_the_pure_functions_of_the_pages_scripts_hold(name: str) -> None:
    done = subprocess.run(
        ["node", "--test", str(Path(__file__).parent / f"{name}.test.mjs")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
