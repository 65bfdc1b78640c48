"""Describe the parameters that a model or an account takes: their kind, limits and meaning."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from imagegen_app.core.i18n import Message, gettext_noop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.types import Operation

ParameterKind = Literal["int", "float", "bool", "choice", "text", "list", "json"]
KINDS: Final[tuple[ParameterKind, ...]] = (
    "int",
    "float",
    "bool",
    "choice",
    "text",
    "list",
    "json",
)
#: Characters of a text without a limit of its own.
MAX_TEXT_CHARS: Final = 200
#: Characters of a list, or a document without a limit of its own, written as JSON.
MAX_JSON_CHARS: Final = 10_000
#: Numbers reach this far: every database gives them back as they were.
MAX_NUMBER: Final = 10**15
_SWITCHES: Final = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}
_SURROGATES = range(0xD800, 0xE000)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: what it takes, and what it is for."""

    kind: ParameterKind = "text"
    #: The least number, or the least characters of a text or items of a list.
    low: float | None = None
    #: The greatest number, or the most characters of a text or a document, or items of a list.
    high: float | None = None
    #: The values of a choice, and the only items of a list that has some.
    choices: tuple[str | int | float, ...] = ()
    #: What the provider takes where nothing is given; None where that is not known.
    default: Any = None
    #: What it is for, in English; front ends translate it.
    help: str = ""
    #: The operations that take it; empty for all.
    operations: frozenset[Operation] = frozenset()

    def __post_init__(self) -> None:
        """Refuse a description that no form could draw, where it is written down."""
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of parameter: {self.kind!r}")
        if self.kind == "choice" and not self.choices:
            raise ValueError("a choice needs its choices")

    def belongs_to(self, operation: Operation) -> bool:
        """Tell whether an operation takes it."""
        return not self.operations or operation in self.operations

    def parse(self, value: Any) -> Any:
        """Return a text as a value of this kind; anything else, and what is none, as it is."""
        if not isinstance(value, str):
            return value
        parsed: Any = value
        text = value.strip()
        match self.kind:
            case "int" | "float":
                parsed = _number(text, value)
            case "bool":
                parsed = _SWITCHES.get(text.lower(), value)
            case "choice":
                parsed = next((one for one in self.choices if str(one) == text), value)
            case "list" if not text.startswith("["):
                parsed = [part.strip() for part in text.split(",") if part.strip()]
            case "list" | "json":
                parsed = _document(text, value)
        return parsed

    def error_for(self, value: Any) -> Message | None:
        """Return why a value is not accepted; None if it is."""
        match self.kind:
            case "int" | "float":
                error = self._number_error(value)
            case "bool":
                error = None if isinstance(value, bool) else _SWITCH
            case "choice":
                error = None if _is_among(value, self.choices) else self._choose()
            case "text":
                error = self._text_error(value)
            case "list":
                error = self._list_error(value)
            case _:
                most = MAX_JSON_CHARS if self.high is None else self.high
                error = None if _is_small_json(value, most=most) else _DOCUMENT
        return error

    def _number_error(self, value: Any) -> Message | None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if self.kind == "int" and not (is_number and isinstance(value, int)):
            return _WHOLE_NUMBER
        if not is_number or not math.isfinite(value):
            return _NUMBER
        low = -MAX_NUMBER if self.low is None else self.low
        high = MAX_NUMBER if self.high is None else self.high
        if low <= value <= high:
            return None
        return Message(_BETWEEN, {"low": f"{low:.12g}", "high": f"{high:.12g}"})

    def _text_error(self, value: Any) -> Message | None:
        most = MAX_TEXT_CHARS if self.high is None else self.high
        if not isinstance(value, str) or not _is_storable(value):
            return _SHORT_VALUE
        if self.choices and value not in self.choices:
            return self._choose()
        if len(value) > most or len(value) < (self.low or 0):
            return _SHORT_VALUE
        return None

    def _list_error(self, value: Any) -> Message | None:
        if not isinstance(value, list | tuple) or not _is_small_json(list(value)):
            return _LIST
        if self.choices and not all(_is_among(one, self.choices) for one in value):
            return self._choose()
        low, high = self.low or 0, math.inf if self.high is None else self.high
        if low <= len(value) <= high:
            return None
        return Message(_ITEMS, {"low": f"{low:g}", "high": f"{high:g}"})

    def _choose(self) -> Message:
        return Message(_CHOOSE, {"known": ", ".join(str(one) for one in self.choices)})


def unknown_or_wrong(
    values: Mapping[str, Any], *, declared: Mapping[str, Parameter]
) -> dict[str, Message]:
    """Return by name why values are not accepted, those of unknown names included."""
    known = ", ".join(sorted(declared)) or "-"
    found = {}
    for name, value in values.items():
        if name not in declared:
            found[name[:40]] = Message(_UNKNOWN, {"known": known})
        elif (error := declared[name].error_for(value)) is not None:
            found[name] = error
    return found


_SWITCH = Message(gettext_noop("true or false is needed"))
_WHOLE_NUMBER = Message(gettext_noop("a whole number is needed"))
_NUMBER = Message(gettext_noop("a number is needed"))
_SHORT_VALUE = Message(gettext_noop("a short value is needed"))
_LIST = Message(gettext_noop("a short list is needed"))
_DOCUMENT = Message(gettext_noop("a short JSON document is needed"))
_BETWEEN = gettext_noop("between %(low)s and %(high)s is possible")
_ITEMS = gettext_noop("between %(low)s and %(high)s items are possible")
_CHOOSE = gettext_noop("choose one of %(known)s")
_UNKNOWN = gettext_noop("unknown; known are: %(known)s")


def _number(text: str, otherwise: str) -> int | float | str:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return otherwise


def _document(text: str, otherwise: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return otherwise


def _is_among(value: Any, choices: tuple[str | int | float, ...]) -> bool:
    # True is equal to 1 in Python, and no number here.
    return any(value == one and isinstance(value, bool) is isinstance(one, bool) for one in choices)


def _is_small_json(value: Any, *, most: float = MAX_JSON_CHARS) -> bool:
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return len(text) <= most and _is_storable(text) and "\\u0000" not in text


def _is_storable(text: str) -> bool:
    return "\0" not in text and not any(ord(c) in _SURROGATES for c in text)
