"""Nothing of our script and style is left over: what is exported is imported, what is styled is there."""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING

from tests.architecture.test_stylesheets import ours, read, stylesheets
from tests.architecture.tree import PACKAGE, kept_files, name_of

if TYPE_CHECKING:
    from pathlib import Path

_SCRIPTS = PACKAGE / "static" / "imagegen_app" / "js"
_LINE_COMMENT = re.compile(r"(?m)^\s*//.*$")
_EXPORT = re.compile(r"(?m)^export\s+(?:async\s+)?(?:function\*?|class|const|let)\s+(\w+)")
_IMPORT = re.compile(r'import\s*\{([^}]*)\}\s*from\s*"([^"]+)"')
_WHOLE_IMPORT = re.compile(r'import\s*\*\s*as\s+\w+\s*from\s*"([^"]+)"|import\("([^"]+)"\)')
_CLASS = re.compile(r"\.((?:imagegen|is)-[\w-]+)")
_WORD = re.compile(r"[\w-]+")
_TEXT = re.compile(r'"([a-z]+)"')
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_STYLED = re.compile(r"[^{}]+(?=\{)")

#: Lines of a style sheet, and declarations that two rules of different sheets may have in common.
LONGEST = 350
MOST_IN_COMMON = 7
#: Exports that no other module of ours takes, and why they stay.
EXPORTS_FOR_OTHERS: dict[str, str] = {}
#: Classes of style sheets that we give to nothing, and who does.
CLASSES_OF_OTHERS: dict[str, str] = {}


def scripts() -> list[Path]:
    """Return our modules in the browser."""
    return [p for p in kept_files() if p.suffix == ".js" and p.is_relative_to(_SCRIPTS)]


def exports(source: str) -> set[str]:
    """Return the names that a module hands out."""
    return set(_EXPORT.findall(_LINE_COMMENT.sub("", source)))


def imports(source: str) -> set[tuple[str, str]]:
    """Return what a module takes from others: (file, name); the name is `*` for all of one."""
    taken = set()
    for names, path in _IMPORT.findall(source):
        file = path.rsplit("/", 1)[-1]
        taken |= {(file, name.split(" as ")[0].strip()) for name in names.split(",")}
    for paths in _WHOLE_IMPORT.findall(source):
        taken |= {(path.rsplit("/", 1)[-1], "*") for path in paths if path}
    return taken


def classes(source: str) -> set[str]:
    """Return the classes of ours that a style sheet's selectors name."""
    return {name for rule in _STYLED.findall(source) for name in _CLASS.findall(rule)}


def given() -> set[str]:
    """Return every class that markup, script or Python of ours gives to something.

    A state is often written as `is-{{ one.tone }}`: then its second half is a text in Python.
    """
    names: set[str] = set()
    for path in kept_files():
        if path.suffix not in {".html", ".js", ".py"} or "tests" in name_of(path).split("/"):
            continue
        text = path.read_text(encoding="utf-8")
        names |= set(_WORD.findall(text))
        if path.suffix == ".py":
            names |= {f"is-{word}" for word in _TEXT.findall(text)}
    return names


def test_what_a_module_exports_another_imports() -> None:
    taken = {each for path in scripts() for each in imports(path.read_text(encoding="utf-8"))}
    left = {
        f"{path.name} {name}"
        for path in scripts()
        for name in exports(path.read_text(encoding="utf-8"))
        if not {(path.name, name), (path.name, "*")} & taken
    }

    assert len(taken) > 30
    assert left - set(EXPORTS_FOR_OTHERS) == set()
    assert set(EXPORTS_FOR_OTHERS) - left == set(), "no exceptions any more"


def test_what_is_styled_is_given_somewhere() -> None:
    names = given()
    left = {
        name
        for path in stylesheets()
        if path.is_relative_to(PACKAGE)
        for name in classes(read(path)) - names
    }

    assert "imagegen-panel" in names
    assert left - set(CLASSES_OF_OTHERS) == set()
    assert set(CLASSES_OF_OTHERS) - left == set(), "no exceptions any more"


def test_a_stylesheet_has_one_subject() -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in ours()}

    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_no_rule_stands_in_two_stylesheets() -> None:
    rules = [
        (
            path.name,
            " ".join(selector.split()),
            frozenset(filter(None, map(str.strip, body.split(";")))),
        )
        for path in ours()
        for selector, body in _RULE.findall(read(path))
    ]
    doubled = [
        (one[:2], other[:2])
        for one, other in combinations(rules, 2)
        if one[0] != other[0] and len(one[2] & other[2]) > MOST_IN_COMMON
    ]

    assert doubled == []


def test_an_export_and_an_import_are_seen() -> None:
    source = 'import { a, b as c } from "../lib/x.js";\nexport function d() {}\nexport const E = 1;'

    assert exports(source) == {"d", "E"}
    assert imports(source) == {("x.js", "a"), ("x.js", "b")}
    assert imports('await import("./y.js")') == {("y.js", "*")}


def test_a_class_is_seen_in_every_part_of_a_selector() -> None:
    assert classes(
        ".imagegen-a > .is-b:not(.imagegen-c) { gap: 0 } @media (x) { .is-d { gap: 0 } }"
    ) == {
        "imagegen-a",
        "is-b",
        "imagegen-c",
        "is-d",
    }
