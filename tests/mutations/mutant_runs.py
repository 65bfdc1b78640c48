"""Try mutants on tests, each in a fork of one process that has loaded everything: a pytest plugin.

A mutant inside a function is put into the functions that exist; one that is run at import is
loaded by a process of its own (`IMAGEGEN_MUTANT`). Tests stop at the first failure. A test counts
as a killer only if it fails with the mutant alone, and passes without it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.machinery
import importlib.util
import json
import os
import selectors
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections

from tests.architecture.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.abc import Loader
    from types import ModuleType

#: A test hangs if it takes so many times its usual seconds, and so many seconds more.
_USUAL_TIMES = 4
_SECONDS_TO_SPARE = 20
#: Long enough to end what a failed test has started.
_TEARDOWN_SECONDS = 20


def load_mutant(task: Path) -> None:
    """Have the module of a task's mutant be loaded with its change."""
    mutant = json.loads(task.read_text(encoding="utf-8"))["mutants"][0]
    sys.meta_path.insert(0, _MutantFinder(ROOT / mutant["module"], mutant["source"]))


class _MutantLoader(importlib.machinery.SourceFileLoader):
    source = ""

    def get_code(self, fullname: str) -> CodeType:
        code = compile(self.source, self.path, "exec", dont_inherit=True)
        assert isinstance(code, CodeType)
        return code


class _MutantFinder:
    """Find one module in a text."""

    def __init__(self, path: Path, source: str) -> None:
        self._name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        self._path, self._source = path, source

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._name:
            return None
        loader = _MutantLoader(name, str(self._path))
        loader.source = self._source
        as_loader: Loader = loader
        return importlib.util.spec_from_file_location(name, self._path, loader=as_loader)


if "IMAGEGEN_MUTANT" in os.environ:
    load_mutant(Path(os.environ["IMAGEGEN_MUTANT"]))


def swap_function(path: Path, source: str, function: str) -> None:
    """Give the functions that were made from the module the code that they have in `source`.

    :raises ValueError: if there is none, or if it needs other variables around it.
    """
    changed = _code_of(compile(source, str(path), "exec", dont_inherit=True), function)
    places = {(code.co_filename, code.co_qualname, code.co_firstlineno) for code in changed}
    new = {code.co_firstlineno: code for code in changed}
    count = 0
    for found in gc.get_objects():
        if isinstance(found, FunctionType):
            code = found.__code__
            if (code.co_filename, code.co_qualname, code.co_firstlineno) in places:
                found.__code__ = new[code.co_firstlineno]
                count += 1
    if not count:
        raise ValueError(f"no function {function} of {path} is loaded")


def _code_of(code: CodeType, function: str) -> list[CodeType]:
    found = [code] if code.co_qualname == function else []
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            found += _code_of(inner, function)
    return found


@dataclass(slots=True)
class _Ended:
    """How a child ended."""

    failed: str = ""
    error: str = ""
    test_count: int = 0
    is_cut_short: bool = False


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take a task: what to try on which tests, and where to write the results."""
    parser.addoption("--mutants", metavar="FILE")


def pytest_configure(config: pytest.Config) -> None:
    """Run mutants instead of the tests where a task is given."""
    if config.getoption("--mutants"):
        config.pluginmanager.register(_MutantRuns(config), "mutant-runs")


class _MutantRuns:
    def __init__(self, config: pytest.Config) -> None:
        self._task = json.loads(Path(config.getoption("--mutants")).read_text(encoding="utf-8"))
        self._seconds: dict[str, float] = self._task["seconds"]
        self._items: dict[str, pytest.Item] = {}
        self._killers: dict[str, list[str]] = {}
        self._is_sound: dict[str, bool] = {}
        self._failures: list[pytest.TestReport] = []
        self._is_child = False
        self._prepared = Path(self._task["folder"]).with_name("prepared")
        shutil.rmtree(self._prepared, ignore_errors=True)
        self._prepared.mkdir()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self._is_child and report.failed:
            self._failures.append(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._items = {item.nodeid: item for item in session.items}
        self._prepare(session.items)
        with Path(self._task["results"]).open("a", encoding="utf-8") as results:
            for mutant in self._task["mutants"]:
                began = time.monotonic()
                result = self._judge(mutant)
                result["seconds"] = round(time.monotonic() - began, 1)
                results.write(json.dumps({"name": mutant["name"], **result}) + "\n")
                results.flush()
                text = f"{result['outcome']:<12} {result['seconds']:6.1f} s  {mutant['name']}"
                sys.__stderr__.write(f"{text}  {result['test']}\n") if sys.__stderr__ else None
        return True

    def _prepare(self, items: Sequence[pytest.Item]) -> None:
        """Run one test, so that each fork finds what a session makes once, such as its database."""
        folder = Path(self._task["folder"])
        first = next((item for item in items if "db" in getattr(item, "fixturenames", ())), None)
        others = [item for item in items if first and item.path.parent != first.path.parent]
        if first is not None and others:
            first.config.hook.pytest_runtest_protocol(item=first, nextitem=others[0])
            connections.close_all()
            shutil.copytree(folder, self._prepared, dirs_exist_ok=True)
        self._restore_files()

    def _judge(self, mutant: dict[str, Any]) -> dict[str, Any]:
        """Run the mutant's tests until one fails that is sound."""
        tests = [test for test in mutant["tests"] if test in self._items]
        # What killed another mutant of the function is likely to kill this one.
        early = self._killers.setdefault(mutant["module"] + mutant["function"], [])
        tests.sort(key=lambda test: early.index(test) if test in early else len(early))
        change = None if "IMAGEGEN_MUTANT" in os.environ else self._change(mutant)
        run_count = 0
        while True:
            ended = self._fork(tests, change)
            run_count += ended.test_count
            answer = {"test": ended.failed, "error": ended.error, "tests_run": run_count}
            if ended.error.startswith("not applied"):
                return {"outcome": "not applied", **answer}
            if not ended.failed:
                if ended.is_cut_short:
                    return {"outcome": "cut short", "of": len(tests), **answer}
                return {"outcome": "alive" if mutant["tests"] else "no tests", **answer}
            alone = ended.test_count == 1 or self._fork([ended.failed], change).failed
            if alone and self._sound(ended.failed, can_be_tried=change is not None):
                if ended.failed not in early:
                    early.insert(0, ended.failed)
                hangs = ended.error.startswith("hangs")
                return {"outcome": "timed out" if hangs else "killed", **answer}
            tests = tests[tests.index(ended.failed) + 1 :]

    def _change(self, mutant: dict[str, Any]) -> Callable[[], None]:
        if not mutant["function"]:
            return lambda: None  # tests are tried without any mutant
        return lambda: swap_function(ROOT / mutant["module"], mutant["source"], mutant["function"])

    def _sound(self, test: str, *, can_be_tried: bool) -> bool:
        """Return whether the test passes in a fork without any mutant."""
        if not can_be_tried:
            return True  # the caller tries it in a process without the mutant
        if test not in self._is_sound:
            self._is_sound[test] = not self._fork([test], lambda: None).failed
        return self._is_sound[test]

    def _fork(self, tests: Sequence[str], change: Callable[[], None] | None) -> _Ended:
        if not tests:
            return _Ended()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            self._is_child = True
            self._run_child(tests, change, writer)
        os.close(writer)
        os.set_blocking(reader, False)
        try:
            return self._follow(tests, reader)
        finally:
            os.close(reader)
            # The child leads a group of its own, with all that its tests have started.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            self._restore_files()

    def _follow(self, tests: Sequence[str], reader: int) -> _Ended:
        """Read what the child tells, until it ends or hangs."""
        ended = _Ended()
        began = time.monotonic()
        current, rest = tests[0], b""
        deadline = began + self._limit(current)
        with selectors.DefaultSelector() as selector:
            selector.register(reader, selectors.EVENT_READ)
            while selector.select(max(0.0, deadline - time.monotonic())):
                part = os.read(reader, 65536)
                if not part:
                    ended.failed, ended.error = ended.failed or current, ended.error or "it died"
                    return ended
                *lines, rest = (rest + part).split(b"\n")
                for line in lines:
                    kind, _, text = line.decode().partition(" ")
                    if kind == "start":
                        current = text
                        deadline = time.monotonic() + self._limit(current)
                        if time.monotonic() - began > self._task["most_seconds"]:
                            ended.is_cut_short = True
                            return ended
                        ended.test_count += 1
                    elif kind == "failed":
                        ended.failed, ended.error = current, text
                        deadline = time.monotonic() + _TEARDOWN_SECONDS
                    else:  # done, or the change could not be made
                        ended.error = ended.error or text
                        return ended
        if not ended.failed:
            ended.failed, ended.error = current, "hangs"
        return ended

    def _limit(self, test: str) -> float:
        return _USUAL_TIMES * self._seconds.get(test, 1.0) + _SECONDS_TO_SPARE

    def _run_child(
        self, tests: Sequence[str], change: Callable[[], None] | None, writer: int
    ) -> None:
        """Run the tests and never return."""

        def tell(kind: str, text: str = "") -> None:
            os.write(writer, f"{kind} {text}".strip().encode() + b"\n")

        try:
            os.setpgid(0, 0)
            with Path(self._task["log"]).open("ab") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            try:
                if change is not None:
                    change()
            except ValueError as error:
                tell("error", f"not applied: {error}")
                os._exit(2)
            items = [self._items[test] for test in tests]
            factory: Any = getattr(items[0].config, "_tmp_path_factory")  # noqa: B009 - pytest's own
            factory._given_basetemp = Path(self._task["folder"]) / "temporary"
            factory._basetemp = None
            # What the prepared session holds of another folder would fail the first test.
            items[0].session._setupstate.teardown_exact(items[0])
            for item, following in zip(items, [*items[1:], None], strict=True):
                tell("start", item.nodeid)
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if self._failures:
                    report = self._failures[0]
                    tell("failed", f"{report.when}: {str(report.longrepr)[-300:]!r}")
                    item.session._setupstate.teardown_exact(None)
                    break
                if _commits(item):
                    self._restore_database()
            tell("done")
        finally:
            os._exit(0)

    def _restore_database(self) -> None:
        """Bring back the first rows, which the end of a test that commits has removed."""
        folder = Path(self._task["folder"])
        connections.close_all()
        for kept in self._prepared.glob("*.sqlite3"):
            for path in folder.glob(f"{kept.name}-*"):
                path.unlink()
            shutil.copyfile(kept, folder / kept.name)

    def _restore_files(self) -> None:
        """Remove what tests have left: rows, files of the site, temporary folders."""
        folder = Path(self._task["folder"])
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._prepared, folder)


def _commits(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("django_db")
    fixtures = {"transactional_db", "live_server", "django_db_reset_sequences"}
    return (
        marker is not None and bool(marker.kwargs.get("transaction"))
    ) or not fixtures.isdisjoint(getattr(item, "fixturenames", ()))
