"""Write the values of a spreadsheet's cells as the spreadsheet shows them: `00042`, `12.50`, `19 %`.

Known are the parts that number formats of shops and offices use. What is not known is written plainly,
never rounded: a long decimal is no worse in a prompt than a wrong one.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import Final

#: What Excel calls a number without a format; shown with up to 11 digits.
_GENERAL: Final = "general"
_GENERAL_DIGITS: Final = 11
#: Characters that mean nothing by themselves stand for the literal texts of a format.
_FIRST_PRIVATE: Final = 0xE000
#: The short date of the reader's own language, which the file does not name.
_LOCAL_DATES: Final = frozenset({"mm-dd-yy", "m/d/yy", "mm-dd-yyyy"})
_LITERAL: Final = re.compile(r'"([^"]*)"|\\(.)|_.|\*.|\[\$([^\]-]*)[^\]]*\]|\[[^\]]*\]')
_DIGITS: Final = re.compile(r"[#0?][#0?,]*(?:\.[#0?]*)?|\.[#0?]+")
_DATE_PARTS: Final = re.compile(
    r'"[^"]*"|\\.|\[\$[^\]]*\]|y+|m+|d+|h+|s+(?:\.0+)?|am/pm|a/p|.', re.IGNORECASE | re.DOTALL
)


def shown(value: object, number_format: str) -> str:
    """Return a cell's value as its format shows it; an empty text for no value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return _shown_number(value, number_format)
    if isinstance(value, datetime | date | time):
        return _shown_moment(value, number_format)
    if isinstance(value, timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return str(value)


def _shown_number(value: float, number_format: str) -> str:
    sections = _sections(number_format or _GENERAL)
    section = sections[1] if value < 0 and len(sections) > 1 else sections[0]
    has_own_sign = section is not sections[0]
    if section.lower() in {_GENERAL, "@", ""}:
        return _plain(value)
    texts: list[str] = []

    def keep(match: re.Match[str]) -> str:
        texts.append(match[1] or match[2] or match[3] or "")
        return chr(_FIRST_PRIVATE + len(texts) - 1)

    pattern = _LITERAL.sub(keep, section)
    digits = _DIGITS.search(pattern)
    if digits is None or "/" in pattern or re.search(r"[Ee][+-]", pattern):
        return _plain(value)
    number = _digits(value, digits[0], is_percent="%" in pattern)
    if number is None:
        return _plain(value)
    sign = "-" if value < 0 and not has_own_sign and number.strip("0.,") else ""
    rest = pattern[digits.end() :].lstrip(",")
    result = sign + pattern[: digits.start()] + number + rest
    return "".join(_kept(character, texts) for character in result).strip()


def _kept(character: str, texts: list[str]) -> str:
    """Return the text for which a private character stands; any other character is itself."""
    place = ord(character) - _FIRST_PRIVATE
    return texts[place] if 0 <= place < len(texts) else character


def _digits(value: float, pattern: str, *, is_percent: bool) -> str | None:
    whole, _dot, decimals = pattern.partition(".")
    try:
        number = abs(Decimal(repr(value)))
        number = number * 100 if is_percent else number
        # A comma after the last digit divides by a thousand.
        while whole.endswith(","):
            whole, number = whole[:-1], number / 1000
        rounded = number.quantize(Decimal(1).scaleb(-len(decimals)), rounding=ROUND_HALF_UP)
    except InvalidOperation:
        return None
    integer, _dot, fraction = f"{rounded:f}".partition(".")
    least = whole.count("0")
    integer = integer.lstrip("0").rjust(least, "0") if least or decimals else integer.lstrip("0")
    if "," in whole:
        integer = f"{int(integer):,}".rjust(least, "0") if integer else integer
    wanted = decimals.rstrip("#?")
    fraction = fraction[: len(wanted)] + fraction[len(wanted) :].rstrip("0")
    return f"{integer}.{fraction}" if fraction else integer or "0"


def _plain(value: float) -> str:
    if isinstance(value, int) or value.is_integer():
        return str(int(value))
    text = f"{value:.{_GENERAL_DIGITS}g}"
    return text if "e" not in text else f"{Decimal(repr(value)):f}"


def _shown_moment(value: datetime | date | time, number_format: str) -> str:
    section = _LITERAL_LOCALES.sub("", _sections(number_format or "")[0]).strip()
    if section.lower() in {*_LOCAL_DATES, _GENERAL, ""} or not re.search(
        "[ymdhs]", section.lower()
    ):
        return _iso(value)
    parts = [part for part in _DATE_PARTS.findall(section) if not part.startswith("[")]
    names = [part.lower()[0] if part[0].lower() in "ymdhs" else "" for part in parts]
    is_half_day = any(part.lower() in {"am/pm", "a/p"} for part in parts)
    written = []
    for place, (part, name) in enumerate(zip(parts, names, strict=True)):
        if name == "m" and _is_minute(names, place):
            written.append(_two(getattr(value, "minute", 0), part))
        elif name:
            written.append(_moment_part(value, part, is_half_day=is_half_day))
        elif part.lower() in {"am/pm", "a/p"}:
            written.append("AM" if getattr(value, "hour", 0) < 12 else "PM")  # noqa: PLR2004 - noon
        else:
            written.append(part.strip('"').removeprefix("\\"))
    return "".join(written).strip()


_LITERAL_LOCALES: Final = re.compile(r"\[\$-[^\]]*\]|;@$")
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _is_minute(names: list[str], place: int) -> bool:
    """Return whether an `m` means minutes: it stands after hours or before seconds."""
    before = next((name for name in reversed(names[:place]) if name), "")
    after = next((name for name in names[place + 1 :] if name), "")
    return before == "h" or after == "s"


def _moment_part(value: datetime | date | time, part: str, *, is_half_day: bool) -> str:
    kind, length = part.lower()[0], len(part)
    if kind in "ymd" and isinstance(value, time):
        return ""
    if kind == "y" and not isinstance(value, time):
        return f"{value.year:04}" if length > 2 else f"{value.year % 100:02}"  # noqa: PLR2004 - yy
    if kind == "m" and not isinstance(value, time):
        name = _MONTHS[value.month - 1]
        return {3: name[:3], 4: name, 5: name[:1]}.get(length) or _two(value.month, part)
    if kind == "d" and not isinstance(value, time):
        name = _DAYS[value.weekday()]
        return {3: name[:3], 4: name}.get(length) or _two(value.day, part)
    if kind == "h":
        hour = getattr(value, "hour", 0)
        return _two((hour % 12 or 12) if is_half_day else hour, part)
    return _two(getattr(value, "second", 0), part)


def _two(number: int, part: str) -> str:
    return f"{number:02}" if len(part) > 1 else str(number)


def _iso(value: datetime | date | time) -> str:
    if isinstance(value, datetime):
        if value.time() == time():
            return value.date().isoformat()
        return value.isoformat(sep=" ", timespec="minutes")
    return value.isoformat("minutes") if isinstance(value, time) else value.isoformat()


@lru_cache(maxsize=256)
def _sections(number_format: str) -> tuple[str, ...]:
    """Return the parts of a format for positive, negative and other numbers."""
    parts, current, is_quoted = [], "", False
    for character in number_format:
        if character == '"':
            is_quoted = not is_quoted
        if character == ";" and not is_quoted:
            parts.append(current)
            current = ""
        else:
            current += character
    return (*parts, current)
