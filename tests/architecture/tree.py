"""Know the tree: its root, the files kept in it, and how to read them."""

from __future__ import annotations

import ast
import functools
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "imagegen_app"


@functools.cache
def kept_files() -> tuple[Path, ...]:
    """Return every file that is, or would be, kept in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))


def name_of(path: Path) -> str:
    """Return the path as the repository names it."""
    return path.relative_to(ROOT).as_posix()


def modules(*, under: Path = PACKAGE) -> list[Path]:
    """Return the Python modules below a folder, migrations left out."""
    return [
        path
        for path in kept_files()
        if path.suffix == ".py" and path.is_relative_to(under) and "migrations" not in path.parts
    ]


@functools.cache
def parsed(path: Path) -> ast.Module:
    """Return a module's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
