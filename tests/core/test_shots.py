"""Shots are read strictly, and a prompt holds the text of its shot exactly once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegen_app.core import prompts, shots
from imagegen_app.core.limits import MAX_SHOTS
from imagegen_app.core.operations import Operation
from imagegen_app.core.shots import Shot, ShotError
from imagegen_app.core.template_lint import TemplatePart, TemplateTexts, lint, used_names
from imagegen_app.core.variables import Variable

CHAIR = Variable("chair")
FRONT = Shot("front", "Front", "seen from the front")
BACK = Shot("back", "Back", "the back of the {{ chair }}", "4:5")

KEYS = st.from_regex(r"\A[a-z0-9][a-z0-9_-]{0,23}\Z")
PLAIN = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="{}"), min_size=1)
SHOTS = st.builds(
    Shot,
    key=KEYS,
    label=PLAIN.filter(lambda text: len(text) <= 60),
    text=PLAIN.map(lambda text: text[:200]),
    size=st.sampled_from(["", "4:5", "16:9", "1024x1024", "1600x2000"]),
)


def code_of(texts: TemplateTexts, *given: Shot, **options: Any) -> list[tuple[str, str]]:
    found = lint(texts, [CHAIR], shots=given, **options)
    return [(one.code, str(one.part)) for one in found]


@given(
    st.lists(SHOTS, max_size=5, unique_by=(lambda one: one.key, lambda one: one.label.casefold()))
)
def test_what_is_stored_is_read_as_it_was(found: list[Shot]) -> None:
    assert list(shots.shots_from([one.as_dict() for one in found])) == found


@given(SHOTS, PLAIN.map(lambda text: text[:200]))
def test_the_text_of_a_shot_stands_in_the_prompt_whether_it_is_named_or_not(
    shot: Shot, body: str
) -> None:
    named = shots.render(f"{body} {{{{ shot }}}} end", [], {}, shot).text
    appended = shots.render(body, [], {}, shot)

    assert named == f"{body} {shot.text} end"
    assert appended.text.startswith(body)
    assert appended.text.endswith(shot.text)
    start, end, name = appended.spans[-1]
    assert (appended.text[start:end], name) == (shot.text, "shot")


def test_a_shot_has_the_variables_of_its_template() -> None:
    text = shots.render("A {{ chair }}, {{ shot }}.", [CHAIR], {"chair": "stool"}, BACK).text

    assert text == "A stool, the back of the stool."


def test_a_text_that_is_appended_is_a_sentence_of_its_own() -> None:
    assert shots.render("A chair", [], {}, FRONT).text == "A chair. seen from the front"
    assert shots.render("A chair!", [], {}, FRONT).text == "A chair! seen from the front"
    assert shots.render("A chair", [], {}, None).text == "A chair"


def test_values_of_a_variable_are_never_read_as_a_template() -> None:
    text = shots.render("{{ shot }}", [CHAIR], {"chair": "{{ shot }}"}, BACK).text

    assert text == "the back of the {{ shot }}"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ([{"key": "front", "text": "x"}, {"key": "front", "text": "y"}], "“front” is there twice"),
        (
            [
                {"key": "a", "label": "Front", "text": "x"},
                {"key": "b", "label": "front", "text": "y"},
            ],
            "two shots are called “front”",
        ),
        ([{"key": "Front side", "text": "x"}], "“Front side” is not a valid short name"),
        ([{"key": "a" * 25, "text": "x"}], "use up to 24 lower-case letters"),
        ([{"key": "front", "text": "  "}], "the shot “Front” has no text"),
        ([{"key": "front", "text": "x" * 1001}], "has more than 1000 characters"),
        ([{"key": "front", "label": "x" * 61, "text": "x"}], "has more than 60 characters"),
        (
            [{"key": "front", "text": "x", "size": "big"}],
            "“big” is not a size for the shot “Front”",
        ),
        ([{"key": "front", "text": "x", "size": "4:0"}], "“4:0” is not a size"),
        ([{"key": "front", "text": "x", "size": "0x10"}], "“0x10” is not a size"),
        ([{"key": "front", "text": "x", "colour": "red"}], "unknown field “colour” in a shot"),
        ([{"key": "front", "text": 3}], "the field “text” of a shot must be a text"),
        (["front"], "each shot must be an object"),
        (
            [{"key": f"s{number}", "text": "x"} for number in range(MAX_SHOTS + 1)],
            "a template has 30 shots at most, not 31",
        ),
    ],
)
def test_a_list_that_is_not_valid_is_refused_with_one_sentence(data: Any, told: str) -> None:
    with pytest.raises(ShotError, match=r".") as refused:
        shots.shots_from(data)

    assert told in str(refused.value)


def test_a_shot_without_a_name_for_people_is_called_by_its_short_name() -> None:
    (found,) = shots.shots_from([{"key": "in-use", "text": "in use"}])

    assert found.label == "In use"


@pytest.mark.parametrize(
    ("given", "variables", "operation", "told"),
    [
        (FRONT, [], Operation.UPSCALE, "this operation takes no words"),
        (FRONT, [Variable("shot")], Operation.GENERATE, "call the variable otherwise"),
        (BACK, [], Operation.GENERATE, "unknown variable “chair”"),
        (Shot("a", "A", "{{ shot }}"), [], Operation.GENERATE, "unknown variable “shot”"),
        (Shot("a", "A", "{% for x in y %}"), [], Operation.GENERATE, "line 1"),
    ],
)
def test_what_a_template_cannot_have_as_a_shot_is_refused(
    given: Shot, variables: list[Variable], operation: Operation, told: str
) -> None:
    with pytest.raises(ShotError) as refused:
        shots.check_shots([given], variables, operation=operation)

    assert told in str(refused.value)


def test_the_lint_says_where_the_shot_is_missing_or_does_not_exist() -> None:
    plain, named = TemplateTexts("A {{ chair }}"), TemplateTexts("A {{ chair }}, {{ shot }}")

    assert code_of(plain, FRONT) == [("shot_appended", "body")]
    assert code_of(named, FRONT) == []
    assert code_of(named) == [("no_shots", "body")]
    assert code_of(TemplateTexts("A {{ chair }}, {{ shot }}", alt_pattern="A"), FRONT, BACK) == [
        ("same_alt_text", "alt_pattern")
    ]
    assert code_of(named, Shot("a", "A", "{{ shot }}")) == [("no_shots", "shots")]
    assert code_of(named, Shot("a", "A", "{{ chiar }}")) == [("unknown_variable", "shots")]
    assert code_of(named, Shot("a", "A", "{{ chair")) == [("syntax", "shots")]


def test_a_variable_that_only_a_shot_names_is_used() -> None:
    texts = TemplateTexts("A chair, {{ shot }}")

    assert code_of(texts, BACK) == []
    assert code_of(texts, FRONT) == [("unused_variable", "variables")]
    assert used_names(texts, [BACK]) == ["chair"]


def test_the_length_is_that_of_the_longest_shot() -> None:
    texts = TemplateTexts("{{ shot }}")
    long = Shot("long", "Long", "x" * 90)

    assert code_of(texts, FRONT, long, max_prompt_chars=80) == [
        ("may_be_too_long", "body"),
        ("unused_variable", "variables"),
    ]
    assert code_of(texts, FRONT, long, max_prompt_chars=90) == [("unused_variable", "variables")]


def test_a_problem_of_a_shot_names_it() -> None:
    (found,) = lint(TemplateTexts("{{ shot }}"), [], shots=[Shot("a", "A", "\n{{ chair }}")])

    assert (found.part, found.name, found.place and found.place.line) == (
        TemplatePart.SHOTS,
        "a",
        2,
    )


def test_the_reader_of_templates_alone_still_refuses_the_shot() -> None:
    with pytest.raises(prompts.PromptTemplateError, match="unknown variable"):
        shots.render_named("{{ shot }}", [CHAIR], {"chair": "x", "shot": "y"}, "front")
