"""Write a value as the one canonical JSON text that is hashed, signed and compared.

Sorted keys (by code point), no spaces, UTF-8 text in normal form C. Equal values give equal
text: `Decimal("1.50")` and `Decimal("1.5")` are both `"1.5"`, and a point in time gives the same
text whatever its time zone.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Containers may be nested this deep.
MAX_DEPTH: Final = 32
#: The text may be this long, in UTF-8 bytes.
MAX_BYTES: Final = 1 << 20
#: Whole numbers reach this far in both directions: seeds of 64 bits fit.
MAX_INTEGER: Final = (1 << 64) - 1
#: A decimal number may take this many characters: more is an attack (`1E+999999`), not money.
MAX_DECIMAL_CHARS: Final = 60

_PATH_PART_CHARS = 40

_Plain = dict[str, "_Plain"] | list["_Plain"] | str | int | bool | None


class NotCanonical(ValueError):
    """The value has no canonical text."""

    def __init__(self, reason: str, *, path: str = "$") -> None:
        super().__init__(f"{path}: {reason}")
        self.reason = reason
        #: Where in the value, as `$.key[0]`; the value itself is never quoted.
        self.path = path


def dumps(value: object, *, max_bytes: int = MAX_BYTES) -> str:
    """Return the canonical JSON text of a value.

    :raises NotCanonical: if the value holds an unsupported type, a float, a naive time or the same
        key twice, or is nested too deeply or too long.
    """
    text = json.dumps(
        _Reader(max_bytes).plain(value, depth=0, path="$"),
        ensure_ascii=False,
        allow_nan=False,
        sort_keys=True,
        separators=(",", ":"),
    )
    if len(text.encode()) > max_bytes:
        raise NotCanonical(f"the text is longer than {max_bytes} bytes")
    return text


def digest(value: object) -> str:
    """Return the SHA-256 of a value's canonical text, in hexadecimal.

    :raises NotCanonical: if the value has no canonical text.
    """
    return hashlib.sha256(dumps(value).encode()).hexdigest()


def format_timestamp(value: datetime) -> str:
    """Return a point in time as RFC 3339 in UTC, to the microsecond.

    :raises NotCanonical: if the time has no zone, or its year is outside 1 to 9999 in UTC.
    """
    if value.utcoffset() is None:
        raise NotCanonical("a time needs a time zone")
    try:
        utc = value.astimezone(UTC)
    except OverflowError:
        raise NotCanonical("the time is outside the years 1 to 9999 of the calendar") from None
    return utc.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def format_decimal(value: Decimal) -> str:
    """Return a decimal number in plain notation, without needless zeros.

    :raises NotCanonical: if it is not finite or too long.
    """
    if not value.is_finite():
        raise NotCanonical("a number must be finite")
    _, digits, exponent = value.as_tuple()
    # Checked before formatting: the text of 1E+999999999 would not fit into memory.
    if len(digits) > MAX_DECIMAL_CHARS or abs(int(exponent)) > MAX_DECIMAL_CHARS:
        raise NotCanonical(f"a number may take {MAX_DECIMAL_CHARS} characters")
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


class _Reader:
    """Converts a value to plain JSON types, up to a number of characters."""

    def __init__(self, max_chars: int) -> None:
        # Counted while reading, so that a small value that refers to the same list a thousand
        # times over is refused before it fills the memory.
        self.remaining = max_chars

    def plain(self, value: object, *, depth: int, path: str) -> _Plain:
        """Return the value in plain JSON types."""
        if isinstance(value, dict | list | tuple):
            if depth >= MAX_DEPTH:
                raise NotCanonical(f"nested deeper than {MAX_DEPTH}")
            self._spend(2)
            if isinstance(value, dict):
                return self._mapping(value, depth=depth, path=path)
            return self._sequence(value, depth=depth, path=path)
        try:
            scalar = _scalar(value)
        except NotCanonical as error:
            raise NotCanonical(error.reason, path=path) from None
        self._spend(len(scalar) if isinstance(scalar, str) else 1)
        return scalar

    def _mapping(self, value: Mapping[object, object], *, depth: int, path: str) -> _Plain:
        result: dict[str, _Plain] = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise NotCanonical("every key must be text", path=path)
            try:
                name = _text(key)
            except NotCanonical as error:
                raise NotCanonical(error.reason, path=path) from None
            if name in result:
                raise NotCanonical("two keys are the same text", path=path)
            self._spend(len(name))
            result[name] = self.plain(
                item, depth=depth + 1, path=f"{path}.{name[:_PATH_PART_CHARS]}"
            )
        return result

    def _sequence(self, value: Sequence[object], *, depth: int, path: str) -> _Plain:
        return [
            self.plain(item, depth=depth + 1, path=f"{path}[{index}]")
            for index, item in enumerate(value)
        ]

    def _spend(self, characters: int) -> None:
        self.remaining -= characters
        if self.remaining < 0:
            raise NotCanonical("the value is too long")


def _scalar(value: object) -> str | int | bool | None:
    """Return a single value in a plain JSON type."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise NotCanonical("a whole number may take 64 bits; write a longer one as text")
        return int(value)
    if isinstance(value, Decimal):
        return format_decimal(value)
    # A datetime is a date too, so it comes first.
    if isinstance(value, datetime):
        return format_timestamp(value)
    if isinstance(value, date | UUID):
        return str(value)
    if isinstance(value, float):
        raise NotCanonical("floats are not exact; write a Decimal")
    raise NotCanonical(f"{type(value).__name__} has no canonical text")


def _text(value: str) -> str:
    """Return text in normal form C."""
    # `str()` of a text enumeration may give its name instead of its value.
    text = unicodedata.normalize("NFC", str(value.value) if isinstance(value, Enum) else value)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise NotCanonical("text with half a surrogate pair is not UTF-8") from None
    return text
