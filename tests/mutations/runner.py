"""Apply planted faults to a copy of the tree and run the tests that should notice them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from tests.architecture.tree import ROOT, kept_files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.mutations.planted_faults import PlantedFault

#: A run that takes longer hangs because of its fault.
MAX_RUN_SECONDS = 600
_PASSED, _FAILED = 0, 1


class Outcome(StrEnum):
    """What came of a planted fault."""

    KILLED = "killed"
    SURVIVED = "survived"
    #: Its text is not there, or more than once: the list does not follow the code.
    NOT_APPLIED = "could not be applied"
    #: The tests could not even be collected.
    NOT_RUN = "could not be run"


@dataclass(frozen=True, slots=True)
class FaultResult:
    """How one planted fault ended."""

    name: str
    module: str
    outcome: Outcome
    seconds: float
    #: The end of what pytest printed, where the fault was not killed.
    output: str = ""


class TreeCopy:
    """A copy of all kept files, in which faults are planted one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._time = time.time()
        for path in kept_files():
            target = folder / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)

    def run_tests(self, tests: Iterable[str]) -> tuple[int, str]:
        """Run tests in the copy; return pytest's exit code and what it printed."""
        # The package may be installed from the working tree: the copy comes before it.
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        paths = [f"tests/{test}" for test in tests]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:randomly", "-n0", *paths]
        try:
            ended = subprocess.run(
                command,
                cwd=self.folder,
                env=environment,
                check=False,
                capture_output=True,
                text=True,
                timeout=MAX_RUN_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return _FAILED, f"not over after {MAX_RUN_SECONDS} seconds"
        return ended.returncode, ended.stdout + ended.stderr

    def judge(self, fault: PlantedFault) -> FaultResult:
        """Plant one fault, run its tests, and take it out again."""
        began = time.monotonic()
        path = self.folder / "imagegen_app" / fault.module
        source = path.read_text(encoding="utf-8") if path.is_file() else ""
        if source.count(fault.before) != 1:
            return FaultResult(fault.name, fault.module, Outcome.NOT_APPLIED, 0.0)
        self._write(path, source.replace(fault.before, fault.after))
        try:
            code, output = self.run_tests(fault.tests)
        finally:
            self._write(path, source)
        outcome = {_PASSED: Outcome.SURVIVED, _FAILED: Outcome.KILLED}.get(code, Outcome.NOT_RUN)
        shown = "" if outcome is Outcome.KILLED else output[-2000:]
        seconds = round(time.monotonic() - began, 1)
        return FaultResult(fault.name, fault.module, outcome, seconds, shown)

    def _write(self, path: Path, source: str) -> None:
        path.write_text(source, encoding="utf-8")
        # Compiled modules are known by second and size: two writes in one second must differ.
        self._time += 2
        os.utime(path, (self._time, self._time))
