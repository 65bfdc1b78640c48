"""The built wheel is whole: it carries all files, no tests, and makes a bare site by itself."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGE, ROOT, kept_files

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    options = ["--wheel", "--no-isolation", "--outdir", str(folder)]
    command = [sys.executable, "-m", "build", *options, str(ROOT)]
    result = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)
    assert result.returncode == 0, result.stdout + result.stderr
    (built,) = folder.glob("*.whl")
    return built


def names_in(wheel: Path) -> set[str]:
    """Return the names of the wheel's files."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_carries_every_file_of_the_package(wheel: Path) -> None:
    wanted = {
        path.relative_to(ROOT).as_posix() for path in kept_files() if path.is_relative_to(PACKAGE)
    }

    missing = wanted - names_in(wheel)

    assert not missing


@pytest.mark.parametrize("ending", [".html", ".css", ".js", ".mo", "/py.typed"])
def test_the_wheel_carries_what_is_no_module(wheel: Path, ending: str) -> None:
    assert [name for name in names_in(wheel) if name.endswith(ending)]


def test_the_wheel_carries_nothing_else(wheel: Path) -> None:
    others = {
        name
        for name in names_in(wheel)
        if not name.startswith(("imagegen_app/", "imagegen_app-")) or name.endswith(".pyc")
    }

    assert not others


def test_the_wheel_alone_makes_a_bare_site(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", site, wheel], check=True, capture_output=True)
    script = ROOT / "tests" / "architecture" / "bare_site.py"
    environment = {**os.environ, "PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}
    environment.pop("DJANGO_SETTINGS_MODULE", None)

    result = subprocess.run(
        [sys.executable, script, ROOT / "README.md", tmp_path],
        cwd=tmp_path,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert str(site / "imagegen_app") in result.stdout
