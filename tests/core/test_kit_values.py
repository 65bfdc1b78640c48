"""The words of a brand kit are added once, and taken away again; its colours have names and codes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegen_app.core.kit_values import (
    MAX_COLOURS,
    InvalidColour,
    PaletteColour,
    added_style,
    added_terms,
    read_palette,
    with_terms,
    without_style,
    without_terms,
)
from imagegen_app.core.variable_kinds import VariableKind
from imagegen_app.core.variables import Variable

WORDS = st.text("ab ,.", max_size=8).map(str.strip)
TERMS = st.lists(st.sampled_from(["text", "Text", "blur", "hands"]), max_size=4).map(", ".join)


@pytest.mark.parametrize(
    ("prompt", "added"),
    [
        ("A mug", ", soft light"),
        ("A mug.", " soft light"),
        ("A mug, soft light", ""),
        ("", ""),
    ],
)
def test_words_stand_behind_a_prompt_once(prompt: str, added: str) -> None:
    assert added_style(prompt, "soft light") == added
    assert added_style(prompt, "") == ""


@given(prompt=WORDS, words=WORDS)
def test_what_is_taken_away_comes_back_the_same(prompt: str, words: str) -> None:
    whole = prompt + added_style(prompt, words)

    own = without_style(whole, words)

    assert own + added_style(own, words) == whole
    assert not prompt or own


@given(negative=TERMS, terms=TERMS)
def test_each_term_is_there_once_and_comes_back(negative: str, terms: str) -> None:
    def read(text: str) -> set[str]:
        return {one.strip().casefold() for one in text.split(",") if one.strip()}

    added = added_terms(negative, terms)
    whole = with_terms(negative, added)
    own = without_terms(whole, terms)

    assert not read(added) & read(negative)
    assert read(whole) == read(negative) | read(terms)
    assert read(with_terms(own, added_terms(own, terms))) == read(whole)


def test_a_colour_is_a_value_of_a_colour_variable() -> None:
    (colour,) = read_palette([{"name": " Türkis 2-a ", "code": "#1C4B8F"}])

    assert colour == PaletteColour("Türkis 2-a", "#1c4b8f")
    variable = Variable("colour", kind=VariableKind.COLOUR)
    assert variable.clean(colour.value) == "Türkis 2-a (#1c4b8f)"


@pytest.mark.parametrize(
    ("rows", "position"),
    [
        ([{"name": "Ink", "code": "#1c4b8"}], 0),
        ([{"name": "Ink", "code": ""}], 0),
        ([{"name": "", "code": "#1c4b8f"}], 0),
        ([{"name": "1 ink", "code": "#1c4b8f"}], 0),
        ([{"name": "Ink (dark)", "code": "#1c4b8f"}], 0),
        ([{"name": "x" * 41, "code": "#1c4b8f"}], 0),
        ([{"name": "Ink", "code": "#1c4b8f"}, {"name": "INK", "code": "#000000"}], 1),
        ([{"name": "Ink", "code": "#1c4b8f"}] * (MAX_COLOURS + 1), MAX_COLOURS),
    ],
)
def test_a_colour_that_is_none_is_told_with_its_place(
    rows: list[dict[str, str]], position: int
) -> None:
    with pytest.raises(InvalidColour) as refused:
        read_palette(rows)

    assert refused.value.position == position
