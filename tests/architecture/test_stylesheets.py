"""Colours, sizes and distances have a name, and one place each: the tokens."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from tests.architecture.tree import PACKAGE, kept_files, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_DECLARATION = re.compile(r"(?<![\w-])([\w-]+)\s*:\s*([^;{}]+)(?=[;}])")
_DEFINED = re.compile(r"(?<![\w-])(--[\w-]+)\s*:")
_USED = re.compile(r"var\(\s*(--[\w-]+)")
_BASE = '{% extends "imagegen_app/admin/page.html" %}'
_LENGTH = re.compile(r"(?<![\w.#-])\d*\.?\d+(?:rem|px)\b")
_SPACED = re.compile(r"(?:padding|margin|gap|row-gap|column-gap)(?:-[\w-]+)?")
#: The colours that CSS knows by name and that people write; `currentColor` and the like are none.
_NAMES = "white|black|gr[ae]y|silver|red|maroon|green|lime|blue|navy|yellow|orange|purple|teal"
_COLOUR = re.compile(
    rf"#[0-9a-f]{{3,8}}\b|\b(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch)\(|(?<![\w-])(?:{_NAMES})(?![\w-])",
    re.IGNORECASE,
)
TOKENS = PACKAGE / "static" / "imagegen_app" / "css" / "tokens.css"
#: Visitors load this one alone, so it has tokens of its own.
PUBLIC = TOKENS.with_name("public.css")
#: Part of a file that is handed over and loads nothing, so it has tokens of its own.
STORY = PACKAGE / "templates" / "imagegen_app" / "evidence" / "story.css"


def stylesheets() -> list[Path]:
    """Return the style sheets of the package and of the demo."""
    return [
        path
        for path in kept_files()
        if path.suffix == ".css" and "docs" not in name_of(path).split("/")
    ]


def read(path: Path) -> str:
    """Return a style sheet without its comments."""
    return _COMMENT.sub("", path.read_text(encoding="utf-8"))


def declarations(source: str) -> Iterator[tuple[str, str]]:
    """Yield each property of a style sheet with its value; tokens are left out."""
    for name, value in _DECLARATION.findall(source):
        if not name.startswith("--"):
            yield name, value


def colours(source: str) -> list[str]:
    """Return the declarations that hold a colour, where a token should stand."""
    return [f"{name}: {value}" for name, value in declarations(source) if _COLOUR.search(value)]


def sizes(source: str) -> list[str]:
    """Return the declarations that hold a font size or a radius, where a token should stand."""
    return [
        f"{name}: {value}"
        for name, value in declarations(source)
        if name in {"font", "font-size", "border-radius"} and _LENGTH.search(value)
    ]


def distances(source: str) -> set[str]:
    """Return the raw lengths of paddings, margins and gaps."""
    return {
        length
        for name, value in declarations(source)
        if _SPACED.fullmatch(name)
        for length in _LENGTH.findall(value)
    }


def undefined(source: str, *given: str) -> set[str]:
    """Return our tokens that a style sheet uses, and that neither it nor a given one defines."""
    known = {name for each in (source, *given) for name in _DEFINED.findall(each)}
    return {n for n in set(_USED.findall(source)) - known if n.startswith("--imagegen-")}


def ours() -> list[Path]:
    """Return the style sheets of the package that take their tokens from the one place."""
    return [
        path
        for path in stylesheets()
        if path.is_relative_to(PACKAGE) and path not in {TOKENS, PUBLIC, STORY}
    ]


def test_stylesheets_are_found() -> None:
    assert {path.name for path in ours()} >= {"batch.css", "records.css", "studio.css"}


@pytest.mark.parametrize("path", stylesheets(), ids=name_of)
def test_a_colour_stands_in_a_token_only(path: Path) -> None:
    assert colours(read(path)) == []


@pytest.mark.parametrize("path", ours(), ids=name_of)
def test_a_stylesheet_defines_no_tokens_of_its_own(path: Path) -> None:
    assert _DEFINED.findall(read(path)) == []


@pytest.mark.parametrize("path", [*ours(), PUBLIC, STORY], ids=name_of)
def test_font_sizes_and_radii_are_tokens(path: Path) -> None:
    assert sizes(read(path)) == []


def test_no_distance_is_written_out_in_two_stylesheets() -> None:
    found = defaultdict(list)
    for path in ours():
        for length in distances(read(path)):
            found[length].append(path.name)

    assert {length: names for length, names in found.items() if len(names) > 1} == {}


@pytest.mark.parametrize("path", stylesheets(), ids=name_of)
def test_every_token_that_is_used_is_defined(path: Path) -> None:
    given = [read(TOKENS)] if path in ours() else []

    assert undefined(read(path), *given) == set()


def test_who_loads_a_stylesheet_loads_the_tokens_before_it() -> None:
    found, without = [], []
    for path in kept_files():
        if path.suffix not in {".html", ".py"} or not path.is_relative_to(PACKAGE):
            continue
        text = path.read_text(encoding="utf-8")
        at = min(
            (text.find(f"css/{s.name}") for s in ours() if f"css/{s.name}" in text), default=-1
        )
        if at < 0:
            continue
        found.append(path)
        if _BASE not in text and f"css/{TOKENS.name}" not in text[:at]:
            without.append(name_of(path))

    assert len(found) > 3
    assert without == []


def test_every_token_is_used() -> None:
    used = {name for path in [*ours(), TOKENS] for name in _USED.findall(read(path))}

    assert set(_DEFINED.findall(read(TOKENS))) - used == set()


def test_visitors_pages_know_nothing_of_the_admin() -> None:
    source = read(PUBLIC)

    assert "@import" not in source
    assert {n for n in _USED.findall(source) if not n.startswith("--imagegen-")} == set()
    assert set(_DEFINED.findall(source)) & set(_DEFINED.findall(read(TOKENS))) == set()


@pytest.mark.parametrize(
    "breach",
    [
        "p { color: #123 }",
        "p { border: 1px solid rgb(1 2 3) }",
        "p { background: var(--body-bg, #fff) }",
        "p { color: white; }",
    ],
)
def test_a_colour_is_seen(breach: str) -> None:
    assert colours(breach)


def test_what_is_no_colour_is_let_through() -> None:
    assert (
        colours(":root { --imagegen-a: #fff; } p { color: currentColor; font-weight: 600; }") == []
    )


def test_a_size_and_a_distance_are_seen() -> None:
    assert sizes("p { font-size: 0.8rem; border-radius: 6px }") != []
    assert distances("p { padding: 1rem var(--a) 0; margin-block-end: .5rem }") == {"1rem", ".5rem"}


def test_a_token_that_nobody_defines_is_seen() -> None:
    source = "p { gap: var(--imagegen-a); margin: var(--imagegen-b); }"

    assert undefined(source, ":root { --imagegen-a: 1rem; }") == {"--imagegen-b"}
