"""Parameters keep their JSON types, and what a model does not take is refused with a reason."""

from __future__ import annotations

import math
from typing import Any

import pytest

from imagegen_app.core.model_parameters import KINDS, Parameter, unknown_or_wrong

STEPS = Parameter("int", low=1, high=50, default=28)
STRENGTH = Parameter("float", low=0.0, high=1.0)
SAFE = Parameter("bool")
TOLERANCE = Parameter("choice", choices=(1, 2, "auto"))
WORDS = Parameter("list", high=3)
STYLES = Parameter("list", choices=("vivid", "natural"))
GRAPH = Parameter("json")
NOTE = Parameter("text")


@pytest.mark.parametrize(
    ("parameter", "text", "value"),
    [
        (STEPS, "28", 28),
        (STEPS, " 28 ", 28),
        (STRENGTH, "0.75", 0.75),
        (STRENGTH, "1", 1),
        (SAFE, "True", True),
        (SAFE, "off", False),
        (TOLERANCE, "2", 2),
        (TOLERANCE, "auto", "auto"),
        (WORDS, "a, b", ["a", "b"]),
        (WORDS, '["a, b", 2]', ["a, b", 2]),
        (GRAPH, '{"node": [1, null]}', {"node": [1, None]}),
        (NOTE, "28", "28"),
    ],
)
def test_a_text_becomes_the_value_that_it_stands_for(
    parameter: Parameter, text: str, value: Any
) -> None:
    parsed = parameter.parse(text)

    assert (parsed, type(parsed)) == (value, type(value))
    assert parameter.error_for(parsed) is None


@pytest.mark.parametrize(
    ("parameter", "given", "reason"),
    [
        (STEPS, "many", "a whole number is needed"),
        (STEPS, "2.5", "a whole number is needed"),
        (STEPS, 28.0, "a whole number is needed"),
        (STEPS, True, "a whole number is needed"),
        (STEPS, 0, "between 1 and 50 is possible"),
        (STEPS, 51, "between 1 and 50 is possible"),
        (STRENGTH, "nan", "a number is needed"),
        (STRENGTH, math.inf, "a number is needed"),
        (STRENGTH, 1.01, "between 0 and 1 is possible"),
        (Parameter("int"), 10**30, "between -1e+15 and 1e+15 is possible"),
        (SAFE, "maybe", "true or false is needed"),
        (SAFE, 1, "true or false is needed"),
        (TOLERANCE, True, "choose one of 1, 2, auto"),
        (TOLERANCE, 3, "choose one of 1, 2, auto"),
        (TOLERANCE, [1], "choose one of 1, 2, auto"),
        (NOTE, 7, "a short value is needed"),
        (NOTE, "x" * 201, "a short value is needed"),
        (NOTE, "a\0b", "a short value is needed"),
        (NOTE, "\ud800", "a short value is needed"),
        (WORDS, {"a": 1}, "a short list is needed"),
        (WORDS, ["a"] * 4, "between 0 and 3 items are possible"),
        (STYLES, ["vivid", "dull"], "choose one of vivid, natural"),
        (GRAPH, {"a": math.nan}, "a short JSON document is needed"),
        (GRAPH, {"a": object()}, "a short JSON document is needed"),
        (GRAPH, {"a": "\0"}, "a short JSON document is needed"),
        (GRAPH, "x" * 10_001, "a short JSON document is needed"),
    ],
)
def test_what_is_not_of_the_kind_is_refused(parameter: Parameter, given: Any, reason: str) -> None:
    assert str(parameter.error_for(parameter.parse(given))) == reason


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_text_is_not_parsed(kind: Any) -> None:
    values = [7, 0.5, True, None, ["a"], {"a": 1}]

    assert [Parameter(kind, choices=("a",)).parse(value) for value in values] == values


def test_unknown_names_are_told_with_the_known_ones() -> None:
    found = unknown_or_wrong({"stepps": 3, "steps": 99}, declared={"steps": STEPS})

    assert {name: str(error) for name, error in found.items()} == {
        "stepps": "unknown; known are: steps",
        "steps": "between 1 and 50 is possible",
    }


def test_a_document_may_have_a_limit_of_its_own() -> None:
    long = {"graph": "a" * 20_000}

    assert GRAPH.error_for(long) is not None
    assert Parameter("json", high=30_000).error_for(long) is None
    assert Parameter("json", high=20_000).error_for(long) is not None


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"kind": "CHOICE", "choices": ("a",)}, "unknown kind of parameter"),
        ({"kind": "choice"}, "a choice needs its choices"),
    ],
)
def test_a_description_that_no_form_could_draw_is_refused(
    facts: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        Parameter(**facts)
