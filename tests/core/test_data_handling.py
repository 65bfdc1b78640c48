from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from imagegen_app.core.data_handling import (
    CHOICES,
    FACTS,
    LABELS,
    DataFact,
    InvalidDataFact,
    facts,
    parse_facts,
    words,
)

FROM = {"source": "https://example.com/terms", "checked_on": "2026-11-26"}


def test_facts_are_read_with_their_source_and_day() -> None:
    found = parse_facts(
        {
            "input_retention": {"value": 720, **FROM},
            "marks": {"value": ["c2pa"], **FROM},
            "regions": {"value": ["EU", "US"], **FROM},
        }
    )

    day = date(2026, 11, 26)
    assert found == {
        "input_retention": DataFact(720, FROM["source"], day),
        "marks": DataFact(("c2pa",), FROM["source"], day),
        "regions": DataFact(("EU", "US"), FROM["source"], day),
    }
    assert parse_facts({}) == {}


@pytest.mark.parametrize(
    "document",
    [
        [],
        "x",
        {"retention": {"value": 1, **FROM}},
        {"training": "no"},
        {"training": {"value": "no"}},
        {"training": {"value": "no", "source": "", "checked_on": "2026-11-26"}},
        {"training": {"value": "no", "source": "x" * 301, "checked_on": "2026-11-26"}},
        {"training": {"value": "no", "source": "a", "checked_on": "yesterday"}},
        {"training": {"value": "no", "source": "a", "checked_on": 20261126}},
        {"training": {"value": "no", "note": "b", **FROM}},
        {"training": {"value": "sometimes", **FROM}},
        {"training": {"value": False, **FROM}},
        {"zero_retention": {"value": [], **FROM}},
        {"input_retention": {"value": -1, **FROM}},
        {"input_retention": {"value": True, **FROM}},
        {"input_retention": {"value": 1.5, **FROM}},
        {"output_retention": {"value": "30 days", **FROM}},
        {"output_retention": {"value": 10**9, **FROM}},
        {"marks": {"value": "c2pa", **FROM}},
        {"marks": {"value": ["stamp"], **FROM}},
        {"marks": {"value": [{}], **FROM}},
        {"regions": {"value": [], **FROM}},
        {"regions": {"value": [" "], **FROM}},
        {"regions": {"value": ["x" * 41], **FROM}},
        {"regions": {"value": ["EU"] * 21, **FROM}},
    ],
)
def test_what_is_no_fact_is_refused(document: Any) -> None:
    with pytest.raises(InvalidDataFact) as caught:
        parse_facts(document)

    assert str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("input_retention", 0, "not kept"),
        ("input_retention", 1, "1 hour"),
        ("output_retention", 24, "24 hours"),
        ("output_retention", 36, "36 hours"),
        ("output_retention", 720, "30 days"),
        ("training", "opt_in", "only with permission"),
        ("training", "no longer known", "no longer known"),
        ("marks", ("c2pa", "synthid"), "C2PA, SynthID"),
        ("marks", (), "none"),
        ("regions", ("EU",), "EU"),
    ],
)
def test_a_value_is_said_in_words(name: str, value: Any, said: str) -> None:
    assert ", ".join(map(str, words(name, value))) == said


def test_every_fact_has_a_meaning_and_a_label() -> None:
    assert set(FACTS) == set(LABELS)
    assert set(CHOICES) <= set(FACTS)


def test_an_adapter_declares_only_valid_facts() -> None:
    with pytest.raises(InvalidDataFact):
        facts(source="https://example.com", checked_on="2026-11-26", training="perhaps")
