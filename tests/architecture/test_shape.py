"""Modules stay small, say what they are for and have descriptive names."""

from __future__ import annotations

import ast
import re

import imagegen_app
from tests.architecture.tree import PACKAGE, ROOT, kept_files, modules, name_of, parsed

LONGEST = 400
#: Modules that may be longer, each with the reason.
LONGER: dict[str, str] = {
    "imagegen_app/conf.py": "all settings; half of its lines are their reference",
    "imagegen_app/core/event_table.py": "one table, a row for each kind of event",
    "imagegen_app/services/library/_pack_verifier.py": "one file by nature: it is copied into packs",
    "tests/mutations/planted_faults.py": "one table, an entry for each fault",
    "tests/services/command_table.py": "one table, an entry for each command",
    "tests/core/test_translog.py": "one subject; a third of it is the tables of known vectors",
    "tests/providers/test_http.py": "one client, and each refusal of it needs a server of its own",
}
SAYS_NOTHING = frozenset({"utils", "util", "helpers", "helper", "common", "misc", "manager"})
# Put together here, so that this line does not find itself.
UNFINISHED = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error")))


def too_long() -> dict[str, int]:
    """Return the modules of the repository above the cap, with their length."""
    lengths = {
        name_of(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in modules(under=ROOT)
    }
    return {name: length for name, length in lengths.items() if length > LONGEST}


def opening(source: ast.Module) -> str:
    """Return the first paragraph of a module's docstring."""
    return (ast.get_docstring(source) or "").split("\n\n", maxsplit=1)[0].rstrip()


def test_a_module_holds_one_subject_in_few_lines() -> None:
    beyond = {name: length for name, length in too_long().items() if name not in LONGER}

    assert beyond == {}, "split it by subject, or list it with the reason"


def test_an_exception_from_the_size_is_needed_and_reasoned() -> None:
    assert set(LONGER) <= set(too_long())
    assert all(LONGER.values())


def test_a_module_says_first_what_it_is_for() -> None:
    silent = [name_of(path) for path in modules() if not opening(parsed(path)).endswith((".", ":"))]

    assert silent == []


def test_a_name_says_something() -> None:
    assert [name_of(path) for path in modules(under=ROOT) if path.stem in SAYS_NOTHING] == []


def test_nothing_unfinished_is_left() -> None:
    unfinished = [
        name_of(path)
        for path in modules(under=ROOT)
        if UNFINISHED.search(path.read_text(encoding="utf-8"))
    ]

    assert unfinished == []


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {path.parent for path in modules()}

    assert [name_of(path) for path in folders if not (path / "__init__.py").is_file()] == []


def test_every_exported_name_is_there() -> None:
    missing = [name for name in imagegen_app.__all__ if not hasattr(imagegen_app, name)]

    assert missing == []
    assert {"attach", "estimate", "generate"} <= set(imagegen_app.__all__)


def test_the_tree_is_found() -> None:
    assert PACKAGE / "__init__.py" in kept_files()
    assert UNFINISHED.search("# TO" + "DO later")
    assert opening(ast.parse('"""Hold values.\n\nMore."""')) == "Hold values."
