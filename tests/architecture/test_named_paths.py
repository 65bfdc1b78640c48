"""Paths and dotted names that the documentation mentions exist in the repository."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from tests.architecture.tree import PACKAGE, ROOT, kept_files, name_of

#: Paths that exist only after a build, which the documentation may mention.
BUILT_PATHS = ("docs/_build/",)
#: `<name>` within a path stands for any name.
_PATH = re.compile(r"(?<![\w./:<>-])\.?\w+/[\w./<>-]*[\w/>]")
_FILE = re.compile(r"`(\w+\.(?:py|toml|txt|md))`")
_DOTTED_NAME = re.compile(r"(?<![\w./-])(?:imagegen_app|benchmarks|project|tests)(?:\.\w+)+")
#: A file whose lines a page shows, under its name.
_SHOWN_FILE = re.compile(r"^# (\S+\.(?:py|toml))$", re.MULTILINE)


def documents() -> list[Path]:
    """Return the README, CONTRIBUTING.md and every page of the documentation."""
    return [
        path
        for path in kept_files()
        if path.suffix == ".md"
        and (
            (path.parent == ROOT and path.name != "CHANGELOG.md")
            or path.is_relative_to(ROOT / "docs")
        )
    ]


def missing_paths(text: str) -> list[str]:
    """Return the mentioned repository paths that no tracked file has.

    A path counts as one of the repository if it begins with a folder of the root or of
    `imagegen_app/`, since pages may leave `imagegen_app/` out.
    """
    folders = {
        name for root in (ROOT, PACKAGE) for name in _tracked_names(root) if "." not in name[1:]
    }
    paths = [
        path
        for path in _PATH.findall(text)
        if path.partition("/")[0] in folders and not f"{path}/".startswith(BUILT_PATHS)
    ]
    shown = set(_SHOWN_FILE.findall(text))
    named = [path for path in [*paths, *_FILE.findall(text)] if path not in shown]
    return sorted(path for path in named if not _is_tracked(path))


def missing_names(text: str) -> list[str]:
    """Return the mentioned dotted names that can be neither imported nor looked up."""
    return sorted(name for name in set(_DOTTED_NAME.findall(text)) if not _can_resolve(name))


def _tracked_names(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).parts[0] for path in kept_files() if path.is_relative_to(folder)
    }


def _is_tracked(path: str) -> bool:
    pattern = re.escape(path.rstrip("/"))
    pattern = re.sub(r"<\w+>", r"[^/]+", pattern)
    # A static file is named as in `{% static %}`; a bare file name may lie in any folder.
    prefixes = rf"(?:{PACKAGE.name}/(?:static/)?)?" if "/" in path else r"(?:.*/)?"
    tracked = re.compile(rf"{prefixes}{pattern}(?:/.*)?")
    return any(tracked.fullmatch(name_of(file)) for file in kept_files())


def _can_resolve(name: str) -> bool:
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        module_name = ".".join(parts[:count])
        try:
            value = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and f"{module_name}.".startswith(f"{error.name}."):
                continue
            raise
        for part in parts[count:]:
            if not hasattr(value, part):
                return False
            value = getattr(value, part)
        return True
    return False


def test_mentioned_paths_exist() -> None:
    found = {name_of(path): missing_paths(path.read_text(encoding="utf-8")) for path in documents()}

    assert {name: missing for name, missing in found.items() if missing} == {}


def test_mentioned_dotted_names_exist() -> None:
    found = {name_of(path): missing_names(path.read_text(encoding="utf-8")) for path in documents()}

    assert {name: missing for name, missing in found.items() if missing} == {}


def test_a_path_that_does_not_exist_is_reported() -> None:
    text = (
        "`core/states.py`, `services/nosuch.py`, tests/nosuch and `providers/<name>.py`; `gone.py`"
    )

    assert missing_paths(text) == ["gone.py", "services/nosuch.py", "tests/nosuch"]


def test_a_dotted_name_that_does_not_exist_is_reported() -> None:
    text = "`imagegen_app.conf.read`, `imagegen_app.conf.nosuch` and `imagegen_app.nosuch`"

    assert missing_names(text) == ["imagegen_app.conf.nosuch", "imagegen_app.nosuch"]
