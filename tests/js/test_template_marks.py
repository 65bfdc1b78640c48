"""The script marks what the server reads: the same variables, filters and conditions at the same places."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegen_app.core import prompts
from imagegen_app.core.prompts import PromptTemplateError, Variable
from imagegen_app.core.template_places import NamedPlace, map_source

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
_EVERY = [Variable(name) for name in ("a", "b_2", "not_x", "if_")]
_PIECES = st.sampled_from(
    [
        "{{ a }}", "{{a|upper}}", "{{ b_2 | default('}} {%') | title }}", "{%- if a -%}", "{% if not a %}",
        "{% if a == 'x' and b_2 != \"y %}\" %}", "{% elif not_x or if_ %}", "{% else %}", "{% endif %}",
        "{# {{ a }} #}", "{% raw %}{{ a }}{% endraw %}", "text ", "\n", "\N{GRINNING FACE}", "ü", "{", "}", "%", "'",
        "{{ ", "}}", "{%", "a | b_2",
    ]
)  # fmt: skip
_TEXTS = st.lists(_PIECES, max_size=9).map("".join)


def marks_of(texts: list[str]) -> list[list[dict[str, Any]]]:
    """Return the spans that the script finds in each text."""
    done = subprocess.run(
        ["node", str(Path(__file__).parent / "template-marks.mjs")],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[list[dict[str, Any]]] = json.loads(done.stdout)
    return found


def placed(text: str, spans: list[dict[str, Any]], kind: str) -> list[tuple[str, int, int]]:
    """Return the spans of a kind as the server counts: by lines and characters."""
    found = []
    for one in spans:
        if one["kind"] == kind:
            units = text.encode("utf-16-le")[: 2 * one["from"]]
            before = units.decode("utf-16-le")
            line = before.count("\n") + 1
            found.append((one["name"], line, len(before) - (before.rfind("\n") + 1) + 1))
    return found


def told(rows: list[NamedPlace]) -> list[tuple[str, int, int]]:
    return [(one.name, one.place.line, one.place.column) for one in rows]


def is_valid(text: str) -> bool:
    try:
        prompts.check_template(text, _EVERY)
    except PromptTemplateError:
        return False
    return True


@settings(max_examples=8, deadline=None)
@given(texts=st.lists(_TEXTS, min_size=40, max_size=60))
def test_script_and_server_agree_on_every_valid_template(texts: list[str]) -> None:
    for text, spans in zip(texts, marks_of(texts), strict=True):
        ends = [0, *(one["to"] for one in spans)]
        assert all(one["from"] >= end for one, end in zip(spans, ends, strict=False)), text
        if is_valid(text):
            places = map_source(text)
            assert placed(text, spans, "variable") == told(places.variables), text
            assert placed(text, spans, "filter") == told(places.filters), text


def test_what_is_not_closed_is_marked_to_its_end() -> None:
    (spans,) = marks_of(["A {{ product"])

    assert [(one["kind"], one["from"], one["to"]) for one in spans] == [
        ("tag", 2, 4),
        ("variable", 5, 12),
    ]


def test_words_of_other_tags_are_told_apart() -> None:
    (spans,) = marks_of(["{% for x in y %}{% if true %}"])

    assert [(one["kind"], one["name"]) for one in spans if one["name"]] == [
        ("condition", "for"),
        ("other", "x"),
        ("other", "in"),
        ("other", "y"),
        ("condition", "if"),
        ("word", "true"),
    ]
