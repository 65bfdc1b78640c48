"""Validate a site's settings, given as dicts, and build typed values of them."""

from __future__ import annotations

import difflib
import re
from dataclasses import MISSING, fields
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PLAIN: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "bool": bool}


class InvalidSettings(ValueError):
    """`IMAGEGEN` has an unknown key or an invalid value; the hint says what to write instead."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def known_values(kind: type[Any], raw: Mapping[Any, Any], where: str) -> dict[str, Any]:
    """Return the values by field name.

    :raises InvalidSettings: if a key is unknown.
    """
    names = {f.name.upper(): f.name for f in fields(kind)}
    known: dict[str, Any] = {}
    for key, value in raw.items():
        upper = str(key).upper()
        if upper not in names:
            similar = difflib.get_close_matches(upper, names, n=1)
            hint = (
                f"Did you mean {similar[0]!r}?"
                if similar
                else "Valid keys are: " + ", ".join(sorted(names)) + "."
            )
            raise InvalidSettings(f"{where} has an unknown key {key!r}", hint=hint)
        known[names[upper]] = value
    return known


def nested(kind: type[Any], raw: Any, where: str) -> Any:
    """Build a section from a dict, unless it is built already.

    :raises InvalidSettings: if a key is unknown or a value is not valid.
    """
    if isinstance(raw, kind):
        return raw
    return build(kind, known_values(kind, mapping(raw, where), where), where)


def build(kind: type[Any], values: dict[str, Any], where: str) -> Any:
    """Build a dataclass of values of its fields' types.

    :raises InvalidSettings: if a value is missing or not valid.
    """
    hints = get_type_hints(kind)
    for entry in fields(kind):
        place = f"{where}[{entry.name.upper()!r}]"
        if entry.name not in values:
            if entry.default is MISSING and entry.default_factory is MISSING:
                raise InvalidSettings(f"{place} is missing", hint=f"Add {entry.name.upper()!r}.")
            continue
        values[entry.name] = _typed(values[entry.name], hints[entry.name], place)
    return kind(**values)


def _typed(value: Any, hint: Any, place: str) -> Any:
    text = getattr(hint, "__name__", str(hint))
    if text in _PLAIN and "[" not in str(hint):
        if text == "str" and isinstance(value, Path):
            return str(value)
        wrong = not isinstance(value, _PLAIN[text]) or (text == "int" and isinstance(value, bool))
        if wrong:
            raise InvalidSettings(
                f"{place} is not a valid {text}", hint=f"Give a value of type {text}."
            )
        if text == "int" and value < 0:
            raise InvalidSettings(f"{place} is negative", hint="Give 0 or a positive number.")
        return value
    if str(hint).startswith("tuple["):
        return tuple(sequence(value, place))
    if str(hint).startswith("dict["):
        return dict(mapping(value, place))
    if isinstance(value, list):
        return tuple(value)
    return value


def require_amount(text: str, place: str) -> None:
    """Require a text that is an amount of money.

    :raises InvalidSettings: if it is not.
    """
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    # Amounts are stored in hundredths of a cent: a smaller price would be booked as nothing.
    if not amount.is_finite() or amount < 0 or amount != round(amount, 4):
        raise InvalidSettings(
            f"{place} is not a valid amount",
            hint='Write it as text with up to four decimals: "0.0015".',
        )


def require_between(value: int, low: int, high: int, place: str) -> None:
    """Require a number within two limits, which are allowed themselves.

    :raises InvalidSettings: if it is not.
    """
    if not low <= value <= high:
        raise InvalidSettings(
            f"{place} is out of range", hint=f"Give a number from {low} to {high}."
        )


def require_keys(keys: list[str], place: str) -> None:
    """Require names of lower-case letters, digits and underscores, each once.

    :raises InvalidSettings: if one is none, or is there twice.
    """
    for key in keys:
        if not _KEY.fullmatch(key):
            raise InvalidSettings(
                f"{place} has an invalid key {key!r}",
                hint="Use lower-case letters, digits and underscores, such as 'real_person'.",
            )
        if keys.count(key) > 1:
            raise InvalidSettings(f"{place} has the key {key!r} twice", hint="Rename one of them.")


def require_day(value: str, place: str) -> None:
    """Require an empty text or a day such as `2027-01-31`.

    :raises InvalidSettings: if it is neither.
    """
    try:
        if value:
            date.fromisoformat(value)
    except ValueError:
        raise InvalidSettings(
            f"{place} is no day", hint="Write it as in '2027-01-31', or leave it out."
        ) from None


def mapping(value: Any, place: str) -> Mapping[Any, Any]:
    """Return the value if it is a dict.

    :raises InvalidSettings: if it is not.
    """
    if not isinstance(value, dict):
        raise InvalidSettings(f"{place} is not a dict", hint="Write it as a dict.")
    return value


def sequence(value: Any, place: str) -> list[Any] | tuple[Any, ...]:
    """Return the value if it is a list or a tuple.

    :raises InvalidSettings: if it is not.
    """
    if not isinstance(value, list | tuple):
        raise InvalidSettings(f"{place} is not a list", hint="Write it as a list.")
    return value
