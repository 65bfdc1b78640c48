"""A catalogue with any mistake is refused as a whole; each mistake is one sentence that names its entry."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from imagegen_app.core.catalog_entries import (
    MAX_ENTRIES,
    MAX_FILE_BYTES,
    MAX_PROBLEMS,
    InvalidCatalog,
    read_catalog,
)

PRICE = {
    "currency": "USD",
    "per_image": [{"amount": "0.02"}],
    "checked_on": "2026-11-26",
    "source": "https://images.example/prices",
}
ENTRY: dict[str, Any] = {"adapter": "openai", "model": "m-1", "name": "Model 1", "version": "1"}


def catalog(*entries: Any, **more: Any) -> bytes:
    return json.dumps({"format": 1, "models": entries, **more}).encode()


def test_an_entry_is_read_as_it_stands() -> None:
    retired = ENTRY | {
        "model": "m-0",
        "retires_on": "2026-12-01",
        "retirement_source": "https://images.example",
        "replaced_by": "m-1",
    }

    found = read_catalog(catalog(retired, ENTRY | {"price_list": PRICE}))

    assert [entry.model for entry in found] == ["m-1", "m-0"]
    assert found[0].price_list == PRICE
    assert found[1].retires_on == date(2026, 12, 1)
    assert found[1].label == "openai/m-0"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"price_list": PRICE | {"per_unit": {"minute": "1"}}}, "unknown unit: “minute”"),
        ({"price_list": PRICE | {"per_image": [{"amount": "-1"}]}}, "negative figure: “amount”"),
        (
            {"price_list": {k: v for k, v in PRICE.items() if k != "source"}},
            "a price needs “source”",
        ),
        ({"price_list": PRICE | {"checked_on": ""}}, "a price needs “source” and “checked_on”"),
        ({"price_list": PRICE | {"checked_on": "26.11.2026"}}, "the price list is malformed"),
        ({"price_list": []}, "the price list is malformed"),
        ({"price": "0.02"}, "“price” is not an entry of a catalogue"),
        ({"retires_on": "soon", "retirement_source": "x"}, "“retires_on” must be a date"),
        ({"retires_on": "2026-02-30", "retirement_source": "x"}, "“retires_on” must be a date"),
        ({"retires_on": "2026-12-01"}, "a retirement needs “retirement_source”"),
        ({"replaced_by": "m-2"}, "“replaced_by” names “m-2”, which is not in the file"),
        ({"replaced_by": "m-1"}, "“replaced_by” leads back to it"),
        ({"name": ""}, "“name” must be a text of 1 to 80 characters"),
        ({"name": "x" * 81}, "“name” must be a text of 1 to 80 characters"),
        ({"version": 3}, "“version” must be a text"),
        ({"capabilities": []}, "“capabilities” must be an object"),
    ],
)
def test_a_mistake_is_told_with_its_entry(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidCatalog) as refused:
        read_catalog(catalog(ENTRY | {"price_list": PRICE} | changes))

    (problem,) = refused.value.problems
    assert problem.entry == "openai/m-1"
    assert told in str(problem)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"{", "the file is not JSON"),
        (b"[" * 100_000, "the file is not JSON"),
        (b"[]", "“format” must be 1"),
        (json.dumps({"format": 2, "models": []}).encode(), "“format” must be 1"),
        (json.dumps({"format": 1, "models": {}}).encode(), "“models” must be a list"),
        (catalog(*[ENTRY] * (MAX_ENTRIES + 1)), "“models” must be a list of at most 5000"),
        (catalog(prices=3), "“prices” is not an entry of a catalogue"),
        (catalog(3), "models[1]: an object is needed"),
        (catalog({"adapter": "openai"}), "models[1]: “model” must be a text"),
        (catalog(ENTRY, ENTRY), "openai/m-1: it is listed 2 times"),
        (b" " * (MAX_FILE_BYTES + 1), "the file is larger than 4 MB"),
    ],
)
def test_a_file_that_is_no_catalogue_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(InvalidCatalog) as refused:
        read_catalog(data)

    assert told in str(refused.value)


def test_the_first_problems_are_enough() -> None:
    with pytest.raises(InvalidCatalog) as refused:
        read_catalog(catalog(*[{"adapter": "openai"}] * 1000))

    assert len(refused.value.problems) == MAX_PROBLEMS


def test_successors_that_lead_in_a_circle_are_refused() -> None:
    circle = [ENTRY | {"model": f"m-{n}", "replaced_by": f"m-{(n + 1) % 3}"} for n in range(3)]

    with pytest.raises(InvalidCatalog) as refused:
        read_catalog(catalog(*circle))

    assert [one.entry for one in refused.value.problems] == [
        "openai/m-0",
        "openai/m-1",
        "openai/m-2",
    ]
