"""Pages that say which test shows something name tests that exist."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, name_of
from tests.documents.snippets import pages

_NAMED = re.compile(r"`(tests/[\w/]+\.(?:py|mjs))(?:::(\w+))?`")
_FUNCTION = re.compile(r"^(?:async )?def (test_\w+)|^    def (test_\w+)", re.MULTILINE)


@functools.cache
def names_of_tests(path: str) -> frozenset[str]:
    """Return the names of a module's tests; none if there is no such module."""
    file = ROOT / path
    if not file.exists():
        return frozenset()
    found = _FUNCTION.findall(file.read_text(encoding="utf-8"))
    return frozenset(name for pair in found for name in pair if name)


def missing_tests(text: str) -> list[str]:
    """Return the named tests that do not exist."""
    return [
        f"{path}::{name}" if name else path
        for path, name in _NAMED.findall(text)
        if not (name in names_of_tests(path) if name else (ROOT / path).exists())
    ]


@pytest.mark.parametrize("path", pages(), ids=name_of)
def test_a_named_test_exists(path: Path) -> None:
    assert missing_tests(path.read_text(encoding="utf-8")) == []


def test_a_misspelt_test_is_noticed() -> None:
    text = (
        "`tests/documents/test_named_tests.py::test_a_named_test_exists`,"
        " `tests/documents/test_named_tests.py::test_a_named_test_exist`, `tests/no/test_such.py`"
    )

    assert missing_tests(text) == [
        "tests/documents/test_named_tests.py::test_a_named_test_exist",
        "tests/no/test_such.py",
    ]
