"""Find where the parts of a prompt template stand: its variables, and the branches of its conditions."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jinja2 import Environment, TemplateSyntaxError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEXER = Environment(autoescape=False)  # noqa: S701 - only its lexer is used, nothing is rendered
_KEYWORDS = frozenset({"and", "or", "not", "in", "is", "if", "else"})
_CONSTANTS = frozenset({"true", "false", "none", "True", "False", "None"})
_CONDITIONS = frozenset({"if", "elif", "else", "endif"})
_SKIPPED = frozenset({"whitespace", "comment_begin", "comment", "comment_end"})


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in a text; both numbers are counted from 1, columns in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class NamedPlace:
    """A word of the template and where it stands."""

    name: str
    place: Place


@dataclass(slots=True)
class SourceMap:
    """Where the variables, filters and branches of a template stand, each in the order of the text."""

    variables: list[NamedPlace] = field(default_factory=list)
    filters: list[NamedPlace] = field(default_factory=list)
    #: The branches of each condition by their keywords (`if`, `elif`, `else`), in the order in which
    #: the conditions begin.
    conditions: list[list[NamedPlace]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    offset: int


def map_source(source: str) -> SourceMap:
    """Return where the parts of a template stand; of one that cannot be read, those before the mistake."""
    found = SourceMap()
    text = with_plain_line_ends(source)
    lines = _LineStarts(text)
    open_conditions: list[list[NamedPlace]] = []
    before = ""
    is_keyword_next = is_other_tag = False
    for token in _tokens(text):
        if token.kind == "block_begin":
            is_keyword_next, is_other_tag = True, False
        elif token.kind == "block_end":
            is_other_tag = False
        elif token.kind == "name":
            word = NamedPlace(token.text, lines.place(token.offset))
            if is_keyword_next:
                _note_branch(word, found.conditions, open_conditions)
                is_keyword_next, is_other_tag = False, word.name not in _CONDITIONS
            elif is_other_tag:
                # Not allowed as a whole.
                continue
            elif before == "|":
                found.filters.append(word)
            elif token.text not in _KEYWORDS | _CONSTANTS:
                found.variables.append(word)
        before = token.text if token.kind == "operator" else ""
    return found


def first_tag_on_line(source: str, line: int) -> Place:
    """Return where the first tag of a line begins; the line's beginning if it has none."""
    lines = with_plain_line_ends(source).split("\n")
    text = lines[line - 1] if 1 <= line <= len(lines) else ""
    found = [at for at in (text.find(sign) for sign in ("{{", "{%", "{#")) if at >= 0]
    return Place(max(line, 1), min(found, default=0) + 1)


def with_plain_line_ends(source: str) -> str:
    """Return a text whose lines end alike; browsers send CRLF."""
    return source.replace("\r\n", "\n").replace("\r", "\n")


def _note_branch(
    word: NamedPlace, conditions: list[list[NamedPlace]], open_conditions: list[list[NamedPlace]]
) -> None:
    if word.name == "if":
        begun = [word]
        conditions.append(begun)
        open_conditions.append(begun)
    elif word.name in {"elif", "else"} and open_conditions:
        open_conditions[-1].append(word)
    elif word.name == "endif" and open_conditions:
        open_conditions.pop()


def _tokens(text: str) -> Iterator[_Token]:
    # The lexer leaves out white space that a tag removes, so each token is looked for from the end
    # of the one before it.
    offset = 0
    try:
        for _line, kind, value in _LEXER.lex(text):
            at = text.find(value, offset)
            if at < 0:
                continue
            offset = at + len(value)
            if kind not in _SKIPPED:
                yield _Token(kind, value, at)
    except TemplateSyntaxError:
        return


class _LineStarts:
    def __init__(self, text: str) -> None:
        self._starts = [0, *(at + 1 for at, sign in enumerate(text) if sign == "\n")]

    def place(self, offset: int) -> Place:
        line = bisect_right(self._starts, offset)
        return Place(line, offset - self._starts[line - 1] + 1)
