"""Documents of templates: what is written is read again as it was."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegen_app.core.description_files import parse_file, write_file
from imagegen_app.core.description_reader import InvalidDescription
from imagegen_app.core.template_document import TemplateEntry, read_templates, write_templates

#: All that every database can store.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
FILLED = TEXT.filter(lambda text: text.strip() != "")
VALUES = st.recursive(
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FILLED, inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.dictionaries(FILLED, VALUES, max_size=4)
LISTS = st.none() | st.lists(OBJECTS, min_size=1, max_size=3).map(tuple)
TEXTS = st.none() | FILLED
COUNTS = st.none() | st.integers(0, 2**40)
ENTRIES = st.builds(
    TemplateEntry,
    place=st.just(""),
    slug=FILLED,
    name=FILLED,
    prompt=FILLED,
    purpose=TEXTS,
    negative_prompt=TEXTS,
    variables=LISTS,
    operation=TEXTS,
    model=TEXTS,
    width=COUNTS,
    height=COUNTS,
    images=COUNTS,
    quality=TEXTS,
    seed_strategy=TEXTS,
    seed=COUNTS,
    passes=LISTS,
    parameters=st.none() | st.dictionaries(FILLED, VALUES, min_size=1, max_size=3),
    loras=LISTS,
    guides=LISTS,
    shots=LISTS,
    alt_pattern=TEXTS,
    brand_kit=TEXTS,
    note=TEXTS,
    archived=st.none() | st.booleans(),
    category=TEXTS,
    owner=TEXTS,
    groups=st.none() | st.lists(FILLED.map(str.strip), min_size=1, max_size=3).map(tuple),
)


@given(entries=st.lists(ENTRIES, max_size=3), ending=st.sampled_from([".yaml", ".json"]))
def test_reading_what_was_written_gives_the_same(entries: list[TemplateEntry], ending: str) -> None:
    file = write_file(write_templates(entries), ending=ending)

    found = read_templates(parse_file(file.encode(), ending=ending))

    assert [replace(one, place="") for one in found] == entries


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([], "the list “templates”"),
        ({"template": []}, "did you mean “templates”?"),
        ({"templates": [{"slug": "a", "name": "A"}]}, "templates[1]: “prompt” is missing"),
        (
            {"templates": [{"slug": "a", "name": "A", "promt": "x", "prompt": "y"}]},
            "templates[1].promt: “promt” does not exist; did you mean “prompt”?",
        ),
        (
            {"templates": [{"slug": "a", "name": "A", "prompt": "y", "variables": ["x"]}]},
            "“variables” must be a list of objects",
        ),
        (
            {"templates": [{"slug": "a", "name": "A", "prompt": "y", "width": -1}]},
            "“width” must be a whole number",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(document: Any, told: str) -> None:
    with pytest.raises(InvalidDescription, match=re.escape(told)):
        read_templates(document)
