"""Read `{a|b}` in a text: alternatives, of which each is tried with each of the others.

Braces without a bar inside mean themselves, as the `{{ }}` and `{% %}` of templates do; a backslash before
a brace or a bar takes its meaning away.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagegen_app.core.limits import MAX_GRID_CELLS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: An escaped sign, the marks of a template, or a group with at least one bar.
_TOKEN = re.compile(
    r"\\(?P<escaped>[{}|\\])|(?P<template>\{\{.*?\}\}|\{%.*?%\})"
    r"|\{(?P<group>(?:\\.|[^{}\\])*\|(?:\\.|[^{}\\])*)\}",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?=[{}|\\])|[{}|]")
_BAR = re.compile(r"(?<!\\)\|")
_UNESCAPE = re.compile(r"\\([{}|\\])")
_LABEL_CHARS = 48


class TooManyAlternatives(ValueError):
    """The alternatives have more combinations than are made at once; `count` is their number."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} combinations")
        self.count = count


@dataclass(frozen=True, slots=True)
class Combination:
    """One choice among the alternatives of several texts."""

    texts: Mapping[str, str]
    #: What was chosen, for a heading; empty where there was no choice.
    label: str = ""


def combinations(texts: Mapping[str, str]) -> list[Combination]:
    """Return each combination of the alternatives in several texts, in the order of writing.

    Without any alternative that is one, whose escapes are read.

    :raises TooManyAlternatives: if there are more than are made at once.
    """
    parsed = {name: _parts(text) for name, text in texts.items()}
    groups = [part for parts in parsed.values() for part in parts if isinstance(part, tuple)]
    count = 1
    for group in groups:
        count *= len(group)
    if count > MAX_GRID_CELLS:
        raise TooManyAlternatives(count)
    found = []
    for choice in itertools.product(*groups):
        chosen = iter(choice)
        found.append(
            Combination(
                texts={
                    name: "".join(p if isinstance(p, str) else next(chosen) for p in parts)
                    for name, parts in parsed.items()
                },
                label=", ".join(_shortened(one.strip()) for one in choice),
            )
        )
    return found


def escape(text: str) -> str:
    """Return a text that means itself where alternatives are read."""
    return _ESCAPE.sub(lambda found: "\\" + found[0], text) if _TOKEN.search(text) else text


def differing_parts(texts: Sequence[str]) -> list[str]:
    """Return what tells several texts from each other: without the words that all begin and end with."""
    words = [text.split() for text in texts]
    if len(set(texts)) == 1 or any(not one for one in words):
        return [_shortened(text) for text in texts]
    shortest = min(len(one) for one in words)
    start = 0
    while start < shortest and len({one[start] for one in words}) == 1:
        start += 1
    end = 0
    while end < shortest - start and len({one[-1 - end] for one in words}) == 1:
        end += 1
    return [_shortened(" ".join(one[start : len(one) - end])) or "…" for one in words]


def _parts(text: str) -> list[str | tuple[str, ...]]:
    parts: list[str | tuple[str, ...]] = []
    at = 0
    for found in _TOKEN.finditer(text):
        parts.append(text[at : found.start()])
        at = found.end()
        if found["escaped"]:
            parts.append(found["escaped"])
        elif found["template"]:
            parts.append(found["template"])
        else:
            options = _BAR.split(found["group"])
            parts.append(tuple(_UNESCAPE.sub(r"\1", one) for one in options))
    parts.append(text[at:])
    return parts


def _shortened(text: str) -> str:
    return text if len(text) <= _LABEL_CHARS else text[: _LABEL_CHARS - 1].rstrip() + "…"
