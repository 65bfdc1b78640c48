"""Alternatives in texts: which there are, what means itself, and what tells the results apart."""

from __future__ import annotations

import pytest

from imagegen_app.core.alternatives import (
    TooManyAlternatives,
    combinations,
    differing_parts,
    escape,
)


def texts(source: str) -> list[str]:
    return [one.texts["prompt"] for one in combinations({"prompt": source})]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("A mug", ["A mug"]),
        ("A {red|blue} mug", ["A red mug", "A blue mug"]),
        (
            "{one|two} {cups|mugs}",
            ["one cups", "one mugs", "two cups", "two mugs"],
        ),
        ("A mug{| with tea}", ["A mug", "A mug with tea"]),
        ("A {mug}", ["A {mug}"]),
        (r"A \{red|blue\} mug", ["A {red|blue} mug"]),
        (r"{a\|b|c}", ["a|b", "c"]),
        ("{{ colour }} {a|b}", ["{{ colour }} a", "{{ colour }} b"]),
        ("{{ colour|upper }}", ["{{ colour|upper }}"]),
        ("{% if a|b %}x{% endif %}", ["{% if a|b %}x{% endif %}"]),
        ("a|b", ["a|b"]),
        (r"C:\dir", [r"C:\dir"]),
        ("open { a|b", ["open { a|b"]),
    ],
)
def test_each_alternative_is_tried_with_each_of_the_others(
    source: str, expected: list[str]
) -> None:
    assert texts(source) == expected


def test_alternatives_of_several_texts_are_combined_and_labelled() -> None:
    found = combinations({"what": "{mug|jug}", "where": "on a {table|shelf}"})

    assert [dict(one.texts) for one in found][1] == {"what": "mug", "where": "on a shelf"}
    assert [one.label for one in found] == ["mug, table", "mug, shelf", "jug, table", "jug, shelf"]


def test_too_many_are_counted_before_any_is_made() -> None:
    with pytest.raises(TooManyAlternatives) as raised:
        combinations({"prompt": "{a|b|c|d|e|f|g|h|i|j}" * 40})

    assert raised.value.count == 10**40


@pytest.mark.parametrize(
    "text", ["A {red|blue} mug", r"\{a", "{x} {a|b}", r"a\\{b|c}", "{{ x|y }}", "plain"]
)
def test_what_was_made_can_be_written_again_without_alternatives(text: str) -> None:
    assert texts(escape(text)) == [text]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["A red mug", "A blue mug"], ["red", "blue"]),
        (["A mug", "A mug at night"], ["…", "at night"]),
        (["same", "same"], ["same", "same"]),
        (["", "x"], ["", "x"]),
    ],
)
def test_headings_are_what_differs(given: list[str], expected: list[str]) -> None:
    assert differing_parts(given) == expected
