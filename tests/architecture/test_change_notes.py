"""Change notes have the form that `changes/README.md` asks for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT

_NAME = re.compile(
    r"[a-z0-9]+(?:-[a-z0-9]+)*\.(?:added|changed|fixed|security|deprecated|removed)\.md"
)
_TEXT = re.compile(r"\*\*[A-Z][^*\n]*:\*\* [A-Z`][^\n]*\.\n")


def faults(*, name: str, text: str) -> list[str]:
    """Return what is wrong with a note."""
    problems = []
    if not _NAME.fullmatch(name):
        problems.append(f"{name}: call it <name>.<kind>.md")
    if not _TEXT.fullmatch(text):
        problems.append(f"{name}: write one line, '**Area:** A full sentence.'")
    return problems


def notes() -> list[Path]:
    """Return the notes that wait for a release."""
    return [path for path in (ROOT / "changes").iterdir() if path.name != "README.md"]


def test_notes_have_a_kind_an_area_and_a_sentence() -> None:
    found = {
        path.name: faults(name=path.name, text=path.read_text(encoding="utf-8")) for path in notes()
    }

    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("batches.md", "**Batches:** They work.\n"),
        ("batches.better.md", "**Batches:** They work.\n"),
        ("batches.added.md", "They work.\n"),
        ("batches.added.md", "**Batches:** they work\n"),
    ],
)
def test_a_fault_is_seen(name: str, text: str) -> None:
    assert faults(name=name, text=text)
