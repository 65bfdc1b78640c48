"""Storages are called in one module, which knows that their libraries raise errors of their own."""

from __future__ import annotations

import ast

from tests.architecture.tree import PACKAGE, modules, parsed

#: Where Django's storages may be imported: the door, and two places that only look at settings.
DOORS = {
    "services/gateways/storage.py",
    "checks.py",
    "services/monitoring/doctor.py",
}


def imports_storages(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("django.core.files.storage")
        for node in ast.walk(tree)
    ) or any(isinstance(node, ast.Name) and node.id == "default_storage" for node in ast.walk(tree))


def test_only_the_door_imports_djangos_storages() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix() for path in modules() if imports_storages(parsed(path))
    }

    assert found <= DOORS
