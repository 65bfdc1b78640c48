"""The packages of the use cases stay in order, and what belongs to one is used by it alone."""

from __future__ import annotations

import ast
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

from imagegen_app.providers import registry
from tests.architecture.tree import PACKAGE, ROOT, modules, name_of, parsed

SERVICES = PACKAGE / "services"
#: What follows the docstring of a package whose modules are imported when they are first used.
DEFERRAL = """\
from __future__ import annotations
from typing import TYPE_CHECKING
from imagegen_app.core.deferred_modules import deferred_modules
if not TYPE_CHECKING:
    __getattr__ = deferred_modules(__name__)"""


def packages() -> list[Path]:
    """Return the folders of the packages of use cases."""
    return sorted(path.parent for path in SERVICES.glob("*/__init__.py"))


def contract(identity: str) -> dict[str, Any]:
    """Return an import contract of the project by its id."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    contracts = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    found: dict[str, Any] = next(one for one in contracts if one["id"] == identity)
    return found


def private_imports(tree: ast.Module, *, importer: str) -> list[str]:
    """Return the private modules of a package of use cases that a module of another one imports."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        for alias in node.names:
            parts = f"{node.module}.{alias.name}".split(".")
            if parts[:2] != ["imagegen_app", "services"] or len(parts) < 4:
                continue
            if parts[3].startswith("_") and parts[2] != importer:
                found.append(".".join(parts[2:4]))
    return found


def package_of(path: Path) -> str:
    """Return which package of use cases a module lies in; empty for another one."""
    parts = path.relative_to(PACKAGE).parts
    return parts[1] if parts[0] == "services" and len(parts) > 2 else ""


def test_a_private_module_is_imported_by_its_own_package_alone() -> None:
    foreign_imports = {
        name_of(path): names
        for path in modules()
        if (names := private_imports(parsed(path), importer=package_of(path)))
    }

    assert foreign_imports == {}


def test_a_private_import_is_seen() -> None:
    tree = ast.parse(
        "from imagegen_app.services.worker import _ingest\n"
        "from imagegen_app.services.worker._results import store_results\n"
        "from imagegen_app.services.worker import driver\n"
    )

    assert private_imports(tree, importer="library") == ["worker._ingest", "worker._results"]
    assert private_imports(tree, importer="worker") == []


def test_no_two_modules_of_use_cases_share_a_name_and_none_repeats_one_of_the_core() -> None:
    names = Counter(path.stem for folder in packages() for path in folder.glob("[!_]*.py"))
    core = {path.stem for path in (PACKAGE / "core").glob("[!_]*.py")}

    assert [name for name, count in names.items() if count > 1] == []
    assert sorted(core & set(names)) == []


def test_a_package_has_one_sentence_as_docstring_and_re_exports_nothing() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    for folder in packages():
        tree = parsed(folder / "__init__.py")
        sentence = ast.get_docstring(tree) or ""

        assert "\n".join(ast.unparse(node) for node in tree.body[1:]) == DEFERRAL, folder.name
        assert "\n" not in sentence, folder.name
        assert f"| `{folder.name}` | {sentence} |" in page


def test_the_contract_names_every_package() -> None:
    layers = {name.strip() for layer in contract("services")["layers"] for name in layer.split("|")}

    assert layers == {folder.name for folder in packages()}


def test_the_tests_mirror_the_packages() -> None:
    tests = ROOT / "tests" / "services"

    assert [f.name for f in packages() if not list((tests / f.name).glob("test_*.py"))] == []


def test_the_contract_of_the_adapters_follows_the_registry() -> None:
    paths = {registry.describe(name).path.partition(":")[0] for name in registry.adapter_names()}

    assert set(contract("adapters")["modules"]) == paths
