"""What is wrong in a prompt template is found with its line and column, and nothing else is claimed."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import imagegen_app
from imagegen_app.core import prompts
from imagegen_app.core.prompts import Variable, VariableKind
from imagegen_app.core.template_lint import (
    Severity,
    TemplateTexts,
    lint,
    literal_text,
    used_names,
)

PACKAGE = Path(imagegen_app.__file__).parent
DOCS = PACKAGE.parent / "docs"
PRODUCT = Variable("product")
MOOD = Variable("mood", required=False)
WOOD = Variable("wood", kind=VariableKind.CHOICE, choices=("oak", "pine"))
SALE = Variable("sale", kind=VariableKind.SWITCH)
COUNT = Variable("count", kind=VariableKind.NUMBER, required=False, minimum=Decimal(0))
EVERY = (PRODUCT, MOOD, WOOD, SALE, COUNT)


def codes(
    body: str, *variables: Variable, negative: str = "", max_prompt_chars: int = 0
) -> list[str]:
    """Return the codes of a template's problems with their places, those of unused variables left out."""
    found = lint(
        TemplateTexts(body, negative), variables or EVERY, max_prompt_chars=max_prompt_chars
    )
    return [
        f"{one.code}@{one.place.line}:{one.place.column}" if one.place else one.code
        for one in found
        if one.code != "unused_variable"
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("A {{ product }} in {{ mood }} light", []),
        ("A {{ prodct }}\nwith {{ product }} and {{ moood }}", [
            "unknown_variable@1:6", "unknown_variable@2:27",
        ]),
        ("A {{ product | shout }}", ["syntax@1:16"]),
        ("A {{ product", ["syntax@1:3"]),
        ("A\r\n{% for x in y %}{% endfor %}", ["syntax@2:1"]),
        ("{% if product %}A{% endif %}", ["constant_condition@1:4"]),
        ("{% if mood %}A{% else %}B{% endif %}", []),
        ("{% if true %}A{% else %}B{% endif %}", ["constant_condition@1:4", "unreachable_branch@1:18"]),
        ("{% if mood == 'a' %}A{% elif mood == 'a' %}B{% endif %}", ["repeated_condition@1:25"]),
        ("{% if wood == 'ok' %}A{% endif %}", ["unknown_choice@1:4"]),
        ("{% if wood == 'oak' %}A{% elif wood == 'pine' %}B{% endif %}", []),
        ("{% if wood == 'oak' %}A{% elif wood == 'pine' %}B{% else %}C{% endif %}", ["unreachable_branch@1:53"]),
        ("{% if mood %}{% if not mood %}A{% endif %}{% endif %}", ["unreachable_branch@1:17"]),
        ("{% if mood %}{% if mood %}A{% endif %}{% endif %}", ["constant_condition@1:17"]),
        ("{% if sale == 'maybe' %}A{% endif %}", ["unreachable_branch@1:4"]),
        ("{% if count %}A{% else %}B{% endif %}", []),
        ("{% if mood == product %}A{% else %}B{% endif %}", []),
        ("{% if true %}{% if mood %}A{% elif sale %}B{% endif %}{% else %}{% if mood %}A{% endif %}{% endif %}\n{% if wood == 'x' %}B{% endif %}", [
            "constant_condition@1:4", "unreachable_branch@1:58", "unknown_choice@2:4",
        ]),
        ("{%- if  mood -%}\n  A {%- else -%} B {%- endif %}{% if product %}C{% endif %}", ["constant_condition@2:35"]),
        ("{# {{ nothing }} #}{% raw %}{{ x }}{% endraw %}A", []),
    ],
)  # fmt: skip
def test_problems_are_found_where_they_stand(body: str, expected: list[str]) -> None:
    assert codes(body) == expected


def test_what_is_not_used_is_told() -> None:
    found = lint(TemplateTexts("A {{ product }}", "", "A {{ mood }}"), [PRODUCT, MOOD, SALE])

    assert [(one.code, one.name, one.severity) for one in found] == [
        ("unused_variable", "sale", Severity.WARNING)
    ]
    assert used_names(TemplateTexts("{{ b }}{% if a %}{{ b|upper }}{% endif %}", "{{ c }}")) == [
        "b",
        "a",
        "c",
    ]


def test_a_default_that_is_not_valid_is_told() -> None:
    wrong = Variable("wood", kind=VariableKind.CHOICE, choices=("oak",), default="ash")

    assert codes("{{ wood }}", wrong) == ["invalid_default"]


def test_prompts_that_are_too_long_are_told_apart_from_those_that_may_be() -> None:
    assert codes("A {{ product }}", PRODUCT, max_prompt_chars=100) == ["may_be_too_long"]
    assert codes("A {{ product }}", PRODUCT, max_prompt_chars=202) == []
    assert codes("A" * 101, PRODUCT, max_prompt_chars=100) == ["too_long"]
    assert codes("{% if wood == 'oak' %}" + "A" * 101 + "{% endif %}", max_prompt_chars=100) == [
        "may_be_too_long"
    ]


def test_words_in_both_prompts_are_told() -> None:
    body = "A red mug with soft light, {{ product }}"

    assert codes(body, PRODUCT, negative="blurry, Soft  Light,\n red, bred, text") == [
        "same_words@1:9",
        "same_words@2:2",
    ]
    assert codes(body, PRODUCT, negative="{{ product }}, lights") == []


def test_tags_leave_lines_where_they_are() -> None:
    assert literal_text("A {{ a\n}} b\r\n{% if x %}c{% endif %}").split("\n") == [
        "A  ",
        " b",
        " c ",
    ]


_VALUES = st.sampled_from(["", "oak", "pine", "a", "yes", "no", "0", "1", "7"])
_TESTS = st.recursive(
    st.sampled_from(["mood", "product", "sale", "wood", "count", "true", "false"])
    | st.builds("{} {} '{}'".format, st.sampled_from([v.name for v in EVERY]), st.sampled_from(["==", "!="]), _VALUES)
    | st.builds("{} == {}".format, st.sampled_from(["mood", "wood"]), st.sampled_from(["product", "count"])),
    lambda inner: inner.map(lambda one: f"not ({one})")
    | st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: f"({' '.join(parts)})"),
    max_leaves=4,
)  # fmt: skip
_BODIES = st.recursive(
    st.just(["@"]),
    lambda inner: st.builds(
        lambda first, one, second, two, rest: [
            f"{{% if {first} %}}", *one, f"{{% elif {second} %}}", *two, "{% else %}", *rest, "{% endif %}",
        ],
        _TESTS, inner, _TESTS, inner, inner,
    ),
    max_leaves=5,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    parts=_BODIES,
    rows=st.lists(
        st.tuples(
            st.sampled_from(["a", "oak", "1", "x"]), _VALUES, st.sampled_from(["oak", "pine"]),
            st.booleans(), st.sampled_from(["", "0", "1", "7", "1.0"]),
        ),
        min_size=8,
        max_size=8,
    ),
)  # fmt: skip
def test_no_branch_that_some_values_lead_to_is_called_unreachable(
    parts: list[str], rows: list[tuple[str, str, str, bool, str]]
) -> None:
    number = iter(range(1000))
    body = "".join(f"<{next(number)}>" if one == "@" else one for one in parts)
    unreachable = {
        (one.place.line, one.place.column)
        for one in lint(TemplateTexts(body), EVERY)
        if one.code == "unreachable_branch" and one.place
    }
    reached = {
        prompts.render(body, EVERY, dict(zip([v.name for v in EVERY], row, strict=True))).text
        for row in rows
    }

    for text in reached:
        # The tag before the text is that of its branch.
        tag = body.rfind("{%", 0, body.index(text)) + len("{% ") + 1
        assert (1, tag) not in unreachable, (body, text)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="{}%# \n\r'ifelsndxa|=-_(", max_size=60))
def test_any_text_is_linted(text: str) -> None:
    for one in lint(TemplateTexts(text, text, text), EVERY, max_prompt_chars=20):
        assert str(one.message)
        if one.place:
            lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            assert 1 <= one.place.line <= len(lines)
            assert 1 <= one.place.column <= len(lines[one.place.line - 1]) + 1


def test_the_documentation_lists_every_code_with_its_severity() -> None:
    page = (DOCS / "reference" / "template-problems.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", page, re.MULTILINE))
    sources = [
        PACKAGE / "core" / "template_lint.py",
        PACKAGE / "services" / "job_requests" / "template_checks.py",
    ]
    text = "".join(one.read_text(encoding="utf-8") for one in sources)
    named = {code for code in re.findall(r'"([a-z_]+)"', text) if code in listed}

    assert named == set(listed)
    found = lint(TemplateTexts("{{ x }}{% if product %}{% endif %}"), EVERY)
    assert all(listed[one.code] == one.severity for one in found)
