"""Imports point downwards, and only the right modules know what they should."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from tests.architecture.tree import PACKAGE, ROOT, modules, name_of, parsed

#: Django's own way of naming the site's user model in a foreign key.
READABLE_ANYWHERE = frozenset({"AUTH_USER_MODEL"})
#: The one module that reads them, and those that check them.
READERS = (PACKAGE / "conf.py", PACKAGE / "checks.py", PACKAGE / "environment_checks.py")
#: Calls of a manager that write rows.
WRITERS = frozenset({"bulk_create", "bulk_update", "create", "get_or_create", "update_or_create"})
#: Packages that may write rows: the use cases, and what other sites use in their tests.
WRITING_PACKAGES = frozenset({"services", "testing"})


def settings_read(tree: ast.Module) -> list[str]:
    """Return which of Django's settings a module reads."""
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "django.conf"
        for alias in node.names
        if alias.name == "settings"
    }
    read = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in names
    }
    passed_on = any(
        isinstance(argument, ast.Name) and argument.id in names
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for argument in node.args
    )
    return sorted(read - READABLE_ANYWHERE | ({"getattr"} if passed_on else set()))


def row_writes(tree: ast.Module) -> list[int]:
    """Return the lines that call `<Model>.objects.<writer>(...)`."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in WRITERS
        and isinstance(node.func.value, ast.Attribute)
        and node.func.value.attr == "objects"
    ]


def test_every_import_contract_holds() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]

    result = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)

    assert result.returncode == 0, result.stdout + result.stderr


def test_only_conf_reads_the_settings_of_django() -> None:
    readers = {
        name_of(path): read
        for path in modules()
        if path not in READERS and (read := settings_read(parsed(path)))
    }

    assert readers == {}, "ask imagegen_app.conf"


def test_only_services_write_rows() -> None:
    writers = {
        name_of(path): lines
        for path in modules()
        if path.relative_to(PACKAGE).parts[0] not in WRITING_PACKAGES
        and (lines := row_writes(parsed(path)))
    }

    assert writers == {}, "call a use case"


def test_the_two_rules_see_what_they_forbid() -> None:
    breach = ast.parse(
        "from django.conf import settings\n"
        "Job.objects.create(state='queued')\n"
        "settings.DEBUG\n"
        "getattr(settings, 'IMAGEGEN')\n"
        "settings.AUTH_USER_MODEL\n"
    )

    assert settings_read(breach) == ["DEBUG", "getattr"]
    assert row_writes(breach) == [2]
