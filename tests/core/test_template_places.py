"""The parts of a template are found where they stand, whatever white space its tags take away."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from imagegen_app.core.template_places import (
    Place,
    first_tag_on_line,
    map_source,
    with_plain_line_ends,
)

_PIECES = st.sampled_from(
    ["{{ a }}", "{{- b|upper -}}", "{%- if a -%}", "{% elif not b %}", "{% else -%}", "{% endif %}", " ", "\r\n", "\n", "x", "ü{", "{# a #}", "{%"]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(_PIECES, max_size=12).map("".join))
def test_each_word_stands_where_it_is_said_to(source: str) -> None:
    found = map_source(source)
    lines = with_plain_line_ends(source).split("\n")
    words = [*found.variables, *found.filters, *(one for each in found.conditions for one in each)]

    for one in words:
        assert lines[one.place.line - 1][one.place.column - 1 :].startswith(one.name)
    assert found.variables == sorted(found.variables, key=lambda one: one.place)


def test_the_branches_of_conditions_are_kept_together() -> None:
    found = map_source("{% if a %}{% if b %}{% else %}{% endif %}{% elif c %}{% endif %}{% if d %}")

    assert [[one.name for one in each] for each in found.conditions] == [
        ["if", "elif"],
        ["if", "else"],
        ["if"],
    ]


def test_a_line_without_a_tag_is_named_by_its_beginning() -> None:
    assert first_tag_on_line("a\nb {{ c", 2) == Place(2, 3)
    assert first_tag_on_line("a", 7) == Place(7, 1)
    assert first_tag_on_line("a", 0) == Place(1, 1)
