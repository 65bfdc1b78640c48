"""Find the fenced blocks of the pages that people read, and the notes that authors put above them.

A note is a comment on the line above a block:

- `<!-- snippet: price list -->` says what the block is, where its language does not;
- `<!-- not run: REASON -->` takes it out of the test, which prints and counts such blocks.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.architecture.tree import ROOT, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md")
_FENCE = re.compile(r"^(?P<indent> *)(?P<mark>`{3,}|~{3,}|:{3,})(?P<info>[^`]*)$")
_NOTE = re.compile(r"^ *<!-- (?P<kind>snippet|not run): (?P<text>.+) -->$")
_CODE = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")


@dataclass(frozen=True, slots=True)
class Snippet:
    """A fenced block of a page."""

    page: str
    #: The line of its first line of content.
    line: int
    language: str
    source: str
    #: What its author says that it is.
    kind: str = ""
    #: Why it is not run; empty where it is.
    excuse: str = ""

    @property
    def name(self) -> str:
        """Return where it stands, as an editor finds it."""
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Return the pages whose blocks are run."""
    found = [ROOT / name for name in PAGES if (ROOT / name).exists()]
    return [*found, *sorted(p for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts)]


def snippets_in(text: str, *, page: str) -> Iterator[Snippet]:
    """Return the blocks of a page; directives that are no code are left out.

    :raises ValueError: if a block is not closed.
    """
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        opened = _FENCE.match(lines[number])
        number += 1
        if not opened:
            continue
        begin = number
        mark = opened["mark"]
        while number < len(lines) and lines[number].strip() != mark:
            number += 1
        if number == len(lines):
            raise ValueError(f"{page}:{begin}: the block is not closed")
        number += 1
        language = opened["info"].strip()
        if language.startswith("{"):
            continue
        note = _NOTE.match(lines[begin - 2]) if begin > 1 else None
        yield Snippet(
            page=page,
            line=begin + 1,
            language=language,
            source=textwrap.dedent("\n".join(lines[begin : number - 1])) + "\n",
            kind=note["text"] if note and note["kind"] == "snippet" else "",
            excuse=note["text"] if note and note["kind"] == "not run" else "",
        )


def all_snippets() -> list[Snippet]:
    """Return the blocks of all pages."""
    return [
        snippet
        for path in pages()
        for snippet in snippets_in(path.read_text(encoding="utf-8"), page=name_of(path))
    ]


def inline_code(text: str) -> list[str]:
    """Return what stands between single backticks outside of blocks, each on one line."""
    outside, inside = [], ""
    for line in text.splitlines():
        fence = _FENCE.match(line)
        if fence and not inside:
            inside = fence["mark"]
        elif inside and line.strip() == inside:
            inside = ""
        elif not inside:
            outside.append(line)
    return [" ".join(found.split()) for found in _CODE.findall("\n".join(outside))]
