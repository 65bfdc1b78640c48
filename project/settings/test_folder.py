"""Choose the folder of a test process, before the settings read where it is."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def test_folder() -> str:
    """Return the folder for files of this test process, made if there is none.

    Two tests at once may store files of one name, so each process of a parallel run has its own.
    Processes that a test starts use its folder.
    """
    path = os.environ.get("IMAGEGEN_DEMO_DIR") or tempfile.mkdtemp(prefix="imagegen-tests-")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    folder = Path(path)
    if worker and folder.name != worker:
        folder /= worker
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)
