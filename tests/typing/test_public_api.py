"""The public API is pinned by a file that mypy reads, and no public name is left out of it."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import imagegen_app
from tests.architecture.tree import ROOT, name_of

PINNED = Path(__file__).with_name("public_api.py")


def names_called(tree: ast.Module) -> set[str]:
    """Return the functions whose result a call of `assert_type` pins."""
    return {
        node.args[0].func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "assert_type"
        and isinstance(node.args[0], ast.Call)
        and isinstance(node.args[0].func, ast.Name)
    }


def test_every_public_name_has_its_type_pinned() -> None:
    tree = ast.parse(PINNED.read_text(encoding="utf-8"))

    assert set(imagegen_app.__all__) <= names_called(tree)


def test_mypy_reads_the_file_wherever_it_is_run() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

    assert settings["strict"]
    assert settings["warn_unreachable"]
    assert [
        left_out for left_out in settings["exclude"] if re.search(left_out, name_of(PINNED))
    ] == []
    assert "mypy imagegen_app project benchmarks tests" in hooks
    assert "mypy imagegen_app project benchmarks tests" in contributing
