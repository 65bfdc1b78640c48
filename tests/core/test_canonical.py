from __future__ import annotations

import hashlib
import json
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegen_app.core import canonical
from imagegen_app.core.canonical import NotCanonical, digest, dumps

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
DECIMALS = st.decimals(min_value=-(10**9), max_value=10**9, places=6)
TIMES = st.datetimes(
    min_value=datetime(2, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone itself
    max_value=datetime(9998, 12, 31),  # noqa: DTZ001 - hypothesis adds the zone itself
    timezones=st.timezones(),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-canonical.MAX_INTEGER, canonical.MAX_INTEGER),
    TEXT,
    DECIMALS,
    TIMES,
    st.dates(),
    st.uuids(),
)
KEYS = TEXT.map(lambda key: unicodedata.normalize("NFC", key))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


class Colour(StrEnum):
    RED = "red"


class OldColour(str, Enum):  # noqa: UP042 - the older kind prints as its name
    RED = "red"


class Level(IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1, "1"),
        (canonical.MAX_INTEGER, "18446744073709551615"),
        ({"b": 1, "a": [1, (2,)]}, '{"a":[1,[2]],"b":1}'),
        ({}, "{}"),
        ("é\n\x00\u2028", '"é\\n\\u0000\u2028"'),
        (Colour.RED, '"red"'),
        (OldColour.RED, '"red"'),
        ({Colour.RED: Level.HIGH}, '{"red":3}'),
        (Decimal("12.50"), '"12.5"'),
        (Decimal("1E+3"), '"1000"'),
        (Decimal("-0.00"), '"0"'),
        (Decimal("0.000001"), '"0.000001"'),
        (date(2026, 11, 20), '"2026-11-20"'),
        (
            UUID("0192F000-0000-7000-8000-000000000000"),
            '"0192f000-0000-7000-8000-000000000000"',
        ),
        (datetime(2026, 11, 20, 22, tzinfo=UTC), '"2026-11-20T22:00:00.000000Z"'),
        (
            datetime(2026, 11, 20, 23, 0, 0, 5, tzinfo=timezone(timedelta(hours=1))),
            '"2026-11-20T22:00:00.000005Z"',
        ),
        (datetime(33, 1, 1, tzinfo=UTC), '"0033-01-01T00:00:00.000000Z"'),
    ],
)
def test_each_type_has_one_text(value: object, text: str) -> None:
    assert dumps(value) == text


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (1.0, "floats"),
        (float("nan"), "floats"),
        (b"x", "bytes"),
        ({1, 2}, "set"),
        (object(), "object"),
        ({1: "x"}, "key must be text"),
        ({"e\u0301": 1, "é": 2}, "same text"),
        ({"\ud800": 1}, "surrogate"),
        ("\ud800", "surrogate"),
        (canonical.MAX_INTEGER + 1, "64 bits"),
        (-canonical.MAX_INTEGER - 1, "64 bits"),
        (Decimal("NaN"), "finite"),
        (Decimal("-Infinity"), "finite"),
        (Decimal("1E+999999999"), "60 characters"),
        (Decimal("1E-61"), "60 characters"),
        (Decimal("1" * 61), "60 characters"),
        (datetime(2026, 11, 20), "time zone"),  # noqa: DTZ001 - naive on purpose
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))), "calendar"),
    ],
)
def test_a_value_without_canonical_text_is_refused(value: object, reason: str) -> None:
    with pytest.raises(NotCanonical, match=reason):
        dumps(value)


def test_an_error_names_the_path_and_never_quotes_the_value() -> None:
    with pytest.raises(NotCanonical) as caught:
        dumps({"rows": [1, {"prompt": 0.123456}]})

    assert caught.value.path == "$.rows[1].prompt"
    assert str(caught.value).startswith("$.rows[1].prompt: ")
    assert "0.123456" not in str(caught.value)


def test_depth_is_capped_exactly() -> None:
    value: object = 1
    for _ in range(canonical.MAX_DEPTH):
        value = [value]

    assert dumps(value) == "[" * canonical.MAX_DEPTH + "1" + "]" * canonical.MAX_DEPTH
    with pytest.raises(NotCanonical, match="nested deeper"):
        dumps([value])


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[object] = []
    value.append(value)

    with pytest.raises(NotCanonical, match="nested deeper"):
        dumps(value)


def test_the_size_is_capped_in_bytes_and_not_in_characters() -> None:
    assert dumps("é" * 4, max_bytes=10) == '"éééé"'
    with pytest.raises(NotCanonical, match="longer than 9 bytes"):
        dumps("é" * 4, max_bytes=9)


def test_a_small_value_that_expands_exponentially_is_refused_early() -> None:
    value: object = ["x"]
    for _ in range(canonical.MAX_DEPTH - 2):
        value = [value, value]

    with pytest.raises(NotCanonical, match="too long"):
        dumps(value)


def test_the_digest_is_that_of_the_text() -> None:
    assert digest({"b": 1, "a": "é"}) == hashlib.sha256('{"a":"é","b":1}'.encode()).hexdigest()


@given(VALUES)
def test_the_text_is_canonical_json_and_writing_it_again_changes_nothing(value: object) -> None:
    def in_order(pairs: list[tuple[str, object]]) -> dict[str, object]:
        assert [key for key, _ in pairs] == sorted({key for key, _ in pairs})
        return dict(pairs)

    text = dumps(value)

    assert dumps(json.loads(text, object_pairs_hook=in_order)) == text
    assert unicodedata.is_normalized("NFC", text)
    assert text == json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))


@given(st.dictionaries(KEYS, SCALARS, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_change_the_digest(
    value: dict[str, object], random: object
) -> None:
    keys = list(value)
    random.shuffle(keys)  # type: ignore[attr-defined] # hypothesis types randoms as object

    assert digest({key: value[key] for key in keys}) == digest(value)


@given(TEXT)
def test_composed_and_decomposed_characters_give_the_same_text(text: str) -> None:
    assert dumps(unicodedata.normalize("NFD", text)) == dumps(unicodedata.normalize("NFC", text))


@given(TIMES, st.timezones())
def test_a_point_in_time_gives_the_same_text_in_every_time_zone(at: datetime, zone: object) -> None:
    elsewhere = at.astimezone(zone)  # type: ignore[arg-type] # hypothesis types zones as object

    assert dumps(at) == dumps(elsewhere)


@given(DECIMALS, DECIMALS)
def test_decimals_give_the_same_text_exactly_when_they_are_equal(
    one: Decimal, other: Decimal
) -> None:
    assert (dumps(one) == dumps(other)) == (one == other)
    assert dumps(one) == dumps(one.normalize()) == dumps(one.quantize(Decimal("1E-9")))
    assert Decimal(canonical.format_decimal(one)) == one
    assert "E" not in canonical.format_decimal(one)
