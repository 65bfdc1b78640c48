"""Migrations of our apps form one line each and import none of our code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from django.apps import apps
from django.db.migrations.loader import MigrationLoader

from tests.architecture.tree import PACKAGE, kept_files, name_of, parsed

#: Named by the migrations as keys' default and as a kind of column, and not to change.
DEFAULTS = frozenset({"imagegen_app.core.ids", "imagegen_app.models.amounts"})


def our_labels() -> list[str]:
    """Return the labels of the installed apps that live in our package."""
    return [
        config.label
        for config in apps.get_app_configs()
        if config.name.partition(".")[0] == "imagegen_app"
    ]


def migrations() -> list[Path]:
    """Return our migrations."""
    return [
        path
        for path in kept_files()
        if path.is_relative_to(PACKAGE)
        and path.parent.name == "migrations"
        and path.name[:4].isdigit()
    ]


@pytest.mark.parametrize("label", our_labels())
def test_an_app_has_one_migration_leaf(label: str) -> None:
    loader = MigrationLoader(None, ignore_no_migrations=True)

    leaves = loader.graph.leaf_nodes(label)

    assert len(leaves) <= 1, leaves


def test_the_main_app_has_migrations() -> None:
    loader = MigrationLoader(None)

    assert "imagegen" in our_labels()
    assert loader.graph.leaf_nodes("imagegen")


@pytest.mark.parametrize("path", migrations(), ids=name_of)
def test_a_migration_imports_no_application_code(path: Path) -> None:
    imported = [
        name
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or "."]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    ]

    ours = [name for name in imported if name.startswith(("imagegen_app", "."))]
    assert set(ours) <= DEFAULTS, "write the values themselves: they must not change with the code"
