"""Modules of a package are imported when they are first used."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

PACKAGE = "deferred_package_of_a_test"
INIT = f"""
from imagegen_app.core.deferred_modules import deferred_modules
__getattr__ = deferred_modules({PACKAGE!r})
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Make a package with a module, a broken module and a package in it."""
    folder = tmp_path / PACKAGE
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text(INIT, encoding="utf-8")
    (folder / "inner" / "__init__.py").write_text("", encoding="utf-8")
    (folder / "colours.py").write_text("RED = 'red'\ndef shown(): return RED\n", encoding="utf-8")
    (folder / "broken.py").write_text("raise ImportError('a driver is missing')", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield PACKAGE
    # What a test has patched is put back now: later, that would import the module again.
    monkeypatch.undo()
    for name in [n for n in sys.modules if n.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def taken_from(package: str, name: str) -> ModuleType:
    """Do what `from package import name` does."""
    names: dict[str, ModuleType] = {}
    exec(f"from {package} import {name}", names)  # noqa: S102 - the statement is what is tested
    return names[name]


def test_a_module_is_imported_at_its_first_use_and_not_before(package: str, tmp_path: Path) -> None:
    # In an interpreter of its own: a thread of another test that looks at all objects would import it.
    source = f"""
import sys
from {package} import colours
print("{package}.colours" in sys.modules, colours.shown())
print(sys.modules["{package}.colours"].shown is colours.shown)
"""
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", source],
        check=False,
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )

    assert (done.stdout.split(), done.stderr) == (["False", "red", "True"], "")


def test_what_is_patched_and_inspected_is_the_module_itself(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    colours = taken_from(package, "colours")

    monkeypatch.setattr(colours, "RED", "rouge")

    assert colours.shown() == "rouge"
    assert isinstance(colours, ModuleType)
    assert "shown" in dir(colours)
    assert vars(colours) is vars(sys.modules[f"{package}.colours"])


def test_once_imported_the_module_takes_the_place_of_what_stood_for_it(package: str) -> None:
    taken_from(package, "colours")
    module = importlib.import_module(f"{package}.colours")

    assert taken_from(package, "colours") is module


def test_a_module_that_cannot_be_imported_says_why_at_its_first_use(package: str) -> None:
    broken = taken_from(package, "broken")

    with pytest.raises(ImportError, match="a driver is missing"):
        _ = broken.anything


def test_a_name_that_is_no_module_cannot_be_imported(package: str) -> None:
    with pytest.raises(ImportError, match="nothing"):
        taken_from(package, "nothing")


def test_a_package_inside_of_a_package_is_imported_as_ever(package: str) -> None:
    assert taken_from(package, "inner") is sys.modules[f"{package}.inner"]
