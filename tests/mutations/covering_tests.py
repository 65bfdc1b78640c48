"""Record which tests run which lines of a package: a pytest plugin, and the reader of its records.

`--covering-tests=FILE` has each test measured as a context of its own; what is recorded is a list
of tests with their seconds, and for each module of `--covered-packages` the lines they ran.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import coverage
import pytest

from tests.architecture.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(slots=True)
class CoveringTests:
    """Which passed tests run which lines."""

    #: Seconds that each passed test took, by its node id.
    seconds: dict[str, float] = field(default_factory=dict)
    #: Tests by module (relative to the root) and line.
    lines: dict[str, dict[int, set[str]]] = field(default_factory=dict)

    def add(self, record: Path) -> None:
        """Add what one run recorded."""
        read = json.loads(record.read_text(encoding="utf-8"))
        tests: list[str] = read["tests"]
        self.seconds.update(read["seconds"])
        for module, lines in read["lines"].items():
            known = self.lines.setdefault(module, {})
            for line, numbers in lines.items():
                passed = {tests[number] for number in numbers} & self.seconds.keys()
                known.setdefault(int(line), set()).update(passed)

    def of(self, module: str, lines: Iterable[int]) -> set[str]:
        """Return the tests that run at least one of the lines."""
        known = self.lines.get(module, {})
        return set().union(*(known.get(line, ()) for line in lines))

    def of_module(self, module: str) -> set[str]:
        """Return the tests that run any line of the module."""
        return self.of(module, self.lines.get(module, {}))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take where to write, and what to measure."""
    parser.addoption("--covering-tests", metavar="FILE")
    parser.addoption("--covered-packages", metavar="FOLDERS", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Measure only where a file is named."""
    if config.getoption("--covering-tests"):
        config.pluginmanager.register(_Recorder(config), "covering-tests-recorder")


class _Recorder:
    def __init__(self, config: pytest.Config) -> None:
        self._target = Path(config.getoption("--covering-tests"))
        folders = config.getoption("--covered-packages").split(",")
        self._coverage = coverage.Coverage(
            data_file=None,
            config_file=False,
            include=[str(ROOT / folder / "*") for folder in folders],
        )
        self._seconds: dict[str, float] = {}
        self._failed: set[str] = set()
        self._coverage.start()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._coverage.switch_context(item.nodeid)
        began = time.monotonic()
        try:
            return (yield)
        finally:
            self._seconds[item.nodeid] = round(time.monotonic() - began, 3)
            self._coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.passed:
            self._failed.add(report.nodeid)  # or skipped: neither can kill a mutant

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        data = self._coverage.get_data()
        tests = sorted(self._seconds.keys() - self._failed)
        numbers = {test: number for number, test in enumerate(tests)}
        lines: dict[str, Any] = {}
        for name in sorted(data.measured_files()):
            lines[str(Path(name).relative_to(ROOT))] = {
                line: sorted(numbers[test] for test in contexts if test in numbers)
                for line, contexts in data.contexts_by_lineno(name).items()
            }
        seconds = {test: self._seconds[test] for test in tests}
        record = {"tests": tests, "seconds": seconds, "lines": lines}
        self._target.write_text(json.dumps(record), encoding="utf-8")
