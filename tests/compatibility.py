"""Try the app on every Python and Django that it declares, and write the table of what passed.

`python -m tests.compatibility [--folder FOLDER]` builds the wheel, installs Django and then the wheel into
an environment for each cell, and makes one image there with the embedded worker. An interpreter counts as
present only if it runs. What could not be run is called "not run", with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "compatibility.md"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
#: Each Django with the oldest Python that it runs on.
DJANGOS = {"5.2": "3.11", "6.0": "3.12", "6.1": "3.12"}
#: Seconds that a step of a cell may take.
PATIENCE_SECONDS = 900
_HEAD = """\
# Compatibility

Written on {date} by `python -m tests.compatibility`. In each cell the wheel was installed beside a Django
that was already there, and that site, made of the README's lines, made an image with the embedded worker.
"Not run" means just that.

| Python | {djangos} |
|---|{rules}|
"""
_FOOT = """
Django 6.0 and newer use `django.tasks`, Django 5.2 uses `django-tasks`
([why](../decisions/django-tasks.md)).
"""


class CellFailed(Exception):
    """A step of a cell ended with an error."""


@dataclass(frozen=True)
class Cell:
    """What was found out about one Python with one Django."""

    outcome: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.outcome}: {self.detail}" if self.detail else self.outcome


def find_python(version: str) -> str | None:
    """Return an interpreter of this version that runs; a shim may be there and fail."""
    candidates = [shutil.which(f"python{version}"), f"/usr/bin/python{version}"]
    homes = (Path.home() / ".pyenv/versions", Path.home() / ".local/share/uv/python")
    candidates += [
        str(path)
        for home in homes
        for path in sorted(home.glob(f"*{version}.*/bin/python3"), reverse=True)
    ]
    code = "import ssl, sqlite3, sys; print('%d.%d' % sys.version_info[:2])"
    for candidate in candidates:
        if candidate is None or not Path(candidate).exists():
            continue
        answer = subprocess.run(
            [candidate, "-c", code], check=False, capture_output=True, text=True
        )
        if answer.returncode == 0 and answer.stdout.strip() == version:
            return candidate
    return None


def newest_python() -> str | None:
    """Return the newest interpreter that runs and that the newest Django runs on."""
    usable = [version for version in PYTHONS if is_declared(version, max(DJANGOS))]
    return next((found for version in reversed(usable) if (found := find_python(version))), None)


def run_step(*command: str, folder: Path) -> str:
    """Run one command without this environment's own settings, and return what it printed.

    :raises CellFailed: if it fails or takes too long.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONPATH", "DJANGO_SETTINGS_MODULE", "VIRTUAL_ENV"}
    }
    try:
        answer = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            cwd=folder,
            env=environment,
            timeout=PATIENCE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise CellFailed(f"no end after {PATIENCE_SECONDS} s") from None
    if answer.returncode:
        print(answer.stdout, answer.stderr, file=sys.stderr)  # noqa: T201 - the reason
        lines = [line for line in answer.stderr.splitlines() if line.strip()] or ["no message"]
        raise CellFailed(lines[-1].strip()[:120])
    return answer.stdout


def try_cell(*, python: str, django: str, wheel: Path, folder: Path) -> Cell:
    """Install Django, then the wheel, and make an image."""
    environment, site = folder / "environment", folder / "site"
    own = str(environment / "bin" / "python")
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir(parents=True)
    version = ("-c", "import django; print(django.__version__)")
    pip = ("-m", "pip", "install", "-q", "--disable-pip-version-check")
    try:
        if not environment.exists():
            run_step(python, "-m", "venv", str(environment), folder=folder)
        run_step(own, *pip, f"Django=={django}.*", folder=folder)
        before = run_step(own, *version, folder=folder).strip()
        run_step(own, *pip, str(wheel), folder=folder)
        run_step(own, *pip, "--no-deps", "--force-reinstall", str(wheel), folder=folder)
        after = run_step(own, *version, folder=folder).strip()
        if before != after:
            return Cell("**failed**", f"Django {before} became {after}")
        script = ROOT / "tests" / "architecture" / "bare_job.py"
        printed = run_step(own, str(script), str(ROOT / "README.md"), str(site), folder=site)
    except CellFailed as error:
        return Cell("**failed**", str(error))
    answer = json.loads(printed.splitlines()[-1])
    return Cell("passed", f"{answer['python']}, {answer['django']}, `{answer['tasks']}`")


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this checkout."""
    shutil.rmtree(folder / "dist", ignore_errors=True)
    command = (sys.executable, "-m", "build", "--wheel", "--no-isolation")
    run_step(*command, "--outdir", str(folder / "dist"), str(ROOT), folder=folder)
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def as_page(cells: dict[tuple[str, str], Cell], *, date: str) -> str:
    """Return the page with the table."""
    page = _HEAD.format(
        date=date,
        djangos=" | ".join(f"Django {django}" for django in DJANGOS),
        rules="|".join("---" for _ in DJANGOS),
    )
    for python in PYTHONS:
        shown = " | ".join(str(cells[python, django]) for django in DJANGOS)
        page += f"| {python} | {shown} |\n"
    return page + _FOOT


def is_declared(python: str, django: str) -> bool:
    """Return whether this Django supports this Python."""
    oldest = DJANGOS[django]
    return tuple(map(int, python.split("."))) >= tuple(map(int, oldest.split(".")))


def main() -> int:
    """Try all cells, write the page, and fail if one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.compatibility", description=__doc__)
    parser.add_argument("--folder", type=Path, help="where environments are kept for a later run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder: Path = (options.folder or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        wheel = build_wheel(folder)
        cells = {}
        for python in PYTHONS:
            found = find_python(python)
            for django, oldest in DJANGOS.items():
                if not is_declared(python, django):
                    cell = Cell("none", f"Django needs Python {oldest}")
                elif found is None:
                    cell = Cell("not run", f"no Python {python} here")
                else:
                    place = folder / f"{python}-{django}"
                    place.mkdir(exist_ok=True)
                    cell = try_cell(python=found, django=django, wheel=wheel, folder=place)
                cells[python, django] = cell
                print(f"Python {python}, Django {django}: {cell}", file=sys.stderr)  # noqa: T201
    PAGE.write_text(as_page(cells, date=datetime.now(UTC).date().isoformat()), encoding="utf-8")
    return 1 if any(cell.outcome == "**failed**" for cell in cells.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
