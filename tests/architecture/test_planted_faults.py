"""The list of planted faults follows the code: each can be planted, and its tests are there."""

from __future__ import annotations

import ast

from tests.architecture.tree import PACKAGE, ROOT, modules, parsed
from tests.mutations.planted_faults import PLANTED_FAULTS

#: Packages without a fault: they start or show what other packages do.
WITHOUT_FAULT = frozenset({"contrib", "forms", "management", "testing"})


def packages() -> set[str]:
    """Return the packages of the app, and those inside `services`, by path."""
    inside = {path.relative_to(PACKAGE).parent for path in modules()}
    found = {folder.parts[0] for folder in inside if folder.parts} - {"services"}
    return found | {
        f"services/{f.parts[1]}" for f in inside if f.parts[:1] == ("services",) and f.parts[1:]
    }


def test_every_fault_can_be_planted_in_one_place_only() -> None:
    places = {
        fault.name: (PACKAGE / fault.module).read_text(encoding="utf-8").count(fault.before)
        for fault in PLANTED_FAULTS
    }

    assert {name: count for name, count in places.items() if count != 1} == {}
    assert len(places) == len(PLANTED_FAULTS) >= 30


def test_a_planted_fault_changes_the_program_and_can_be_read() -> None:
    for fault in PLANTED_FAULTS:
        source = (PACKAGE / fault.module).read_text(encoding="utf-8")
        changed = ast.parse(source.replace(fault.before, fault.after))

        assert ast.dump(changed) != ast.dump(parsed(PACKAGE / fault.module)), fault.name
        assert fault.why.endswith("."), fault.name


def test_the_tests_of_every_fault_are_there() -> None:
    for fault in PLANTED_FAULTS:
        assert fault.tests, fault.name
        for test in fault.tests:
            path, _colons, name = test.partition("::")
            functions = {
                n.name for n in parsed(ROOT / "tests" / path).body if isinstance(n, ast.FunctionDef)
            }
            assert not name or name in functions, f"{fault.name}: {test}"


def test_every_package_has_a_planted_fault() -> None:
    planted = {path for f in PLANTED_FAULTS for path in (f.module, *_parents(f.module))}

    assert packages() - WITHOUT_FAULT - planted == set()


def _parents(module: str) -> tuple[str, str]:
    parts = module.split("/")
    return parts[0], "/".join(parts[:2])
