"""Read lists of entries that people write into a file, each against a dataclass.

An entry's names and kinds of values are the fields of its dataclass. What an entry leaves out is the field's
default. Every mistake is found, each with its place.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from imagegen_app.core.i18n import Message, gettext_noop

#: Entries of one list, and problems that are told: more are a mistake, or enough to work on.
MAX_ENTRIES: Final = 2000
MAX_PROBLEMS: Final = 50
#: Names that a message lists.
_MAX_NAMED: Final = 12
_SHOWN_CHARS: Final = 60


@dataclass(frozen=True, slots=True)
class DescriptionProblem:
    """What is wrong with a description, where, and what to do; front ends translate `problem`."""

    #: Such as `models[2].lifecycle`; empty for the whole of it.
    place: str
    problem: Message


class InvalidDescription(ValueError):
    """A description cannot be used; `problems` has one entry for each mistake."""

    def __init__(self, problems: Sequence[DescriptionProblem]) -> None:
        self.problems = tuple(problems[:MAX_PROBLEMS])
        told = (f"{p.place}: {p.problem}" if p.place else str(p.problem) for p in self.problems)
        super().__init__("; ".join(told))


#: Values that are of no use, by the annotation of their field, and what is needed instead.
_NEEDED: Final[Mapping[str, str]] = {
    "str": gettext_noop("“%(name)s” must be a text that is not empty"),
    "str | None": gettext_noop("“%(name)s” must be a text"),
    "int | None": gettext_noop("“%(name)s” must be a whole number, 0 or more"),
    "bool | None": gettext_noop("“%(name)s” must be true or false"),
    "Decimal | None": gettext_noop("“%(name)s” must be an amount such as 0.02"),
    "datetime | None": gettext_noop("“%(name)s” must be a day or a time such as 2027-05-31"),
    "tuple[str, ...]": gettext_noop("“%(name)s” must be a list of names with at least one"),
    "tuple[str, ...] | None": gettext_noop("“%(name)s” must be a list of names"),
    "Mapping[str, Any] | None": gettext_noop("“%(name)s” must be an object"),
    "tuple[Mapping[str, Any], ...] | None": gettext_noop("“%(name)s” must be a list of objects"),
}


def read_sections(
    document: object, sections: Mapping[str, type[Any]], *, whole: str
) -> dict[str, tuple[Any, ...]]:
    """Return the entries of a document's lists by their names; a list that is left out is empty.

    :param sections: the dataclass of the entries of each list; its first field is `place`.
    :param whole: the sentence that tells what the document must be.
    :raises InvalidDescription: if it has an unknown name, lacks one or has a wrong value; names all.
    """
    if not isinstance(document, Mapping):
        raise InvalidDescription([DescriptionProblem("", Message(whole))])
    problems = [
        DescriptionProblem("", unknown_name(str(name), sections))
        for name in document
        if name not in sections
    ]
    found: dict[str, tuple[Any, ...]] = {}
    for section, kind in sections.items():
        given = document.get(section, ())
        if not isinstance(given, list | tuple) or len(given) > MAX_ENTRIES:
            text = gettext_noop("“%(name)s” must be a list of at most %(most)s entries")
            problems.append(
                DescriptionProblem("", Message(text, {"name": section, "most": str(MAX_ENTRIES)}))
            )
            continue
        reader = _Reader(kind)
        entries = [reader.read(one, f"{section}[{n}]") for n, one in enumerate(given, 1)]
        problems += reader.problems
        found[section] = tuple(entry for entry in entries if entry is not None)
    if problems:
        raise InvalidDescription(problems)
    return found


def nearest_name(name: str, known: Collection[str]) -> str:
    """Return the name that is most like another one; empty if none is."""
    folded = {one.casefold(): one for one in known}
    near = difflib.get_close_matches(name.casefold(), folded, n=1)
    return folded[near[0]] if near else ""


def unknown_name(name: str, known: Collection[str]) -> Message:
    """Return the sentence that a name does not exist, with the nearest one that does, or with all."""
    shown = name[:_SHOWN_CHARS]
    near = nearest_name(name, known)
    if near:
        text = gettext_noop("“%(name)s” does not exist; did you mean “%(nearest)s”?")
        return Message(text, {"name": shown, "nearest": near})
    if not known:
        return Message(gettext_noop("“%(name)s” does not exist; add it first"), {"name": shown})
    text = gettext_noop("“%(name)s” does not exist; there are: %(known)s")
    listed = sorted(known)
    more = ", …" if len(listed) > _MAX_NAMED else ""
    return Message(text, {"name": shown, "known": ", ".join(listed[:_MAX_NAMED]) + more})


@dataclass
class _Reader:
    """Reads the entries of one list, and notes what is wrong with them."""

    kind: type[Any]
    problems: list[DescriptionProblem] = field(default_factory=list)

    def read(self, given: object, place: str) -> Any:
        """Return an entry; None if anything is wrong with it."""
        if not isinstance(given, Mapping):
            self._note(place, gettext_noop("an object is needed"))
            return None
        before = len(self.problems)
        expected = {one.name: one for one in fields(self.kind) if one.name != "place"}
        for name in given:
            if name not in expected:
                self.problems.append(
                    DescriptionProblem(f"{place}.{name}"[:120], unknown_name(str(name), expected))
                )
        values: dict[str, Any] = {}
        for name, one in expected.items():
            if given.get(name) is None:
                if one.default is MISSING:
                    text = gettext_noop("“%(name)s” is missing; add it")
                    self._note(place, text, name=name)
                continue
            value = _value(given[name], str(one.type))
            if value is None:
                self._note(f"{place}.{name}", _NEEDED[str(one.type)], name=name)
            values[name] = value
        return None if len(self.problems) > before else self.kind(place=place, **values)

    def _note(self, place: str, text: str, **values: str) -> None:
        self.problems.append(DescriptionProblem(place, Message(text, values)))


def _value(given: object, annotation: str) -> Any:
    """Return a value as its field holds it; None if it is none that the field can have."""
    return _READERS[annotation](given)


def _text(given: object) -> str | None:
    return given if isinstance(given, str) and _is_storable(given) else None


def _filled_text(given: object) -> str | None:
    text = _text(given)
    return text if text and text.strip() else None


def _is_storable(text: str) -> bool:
    """Return whether every database can store a text: it has no NUL and no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def _count(given: object) -> int | None:
    is_count = isinstance(given, int) and not isinstance(given, bool) and given >= 0
    return given if isinstance(given, int) and is_count else None


def _flag(given: object) -> bool | None:
    return given if isinstance(given, bool) else None


def _object(given: object) -> Any:
    if not isinstance(given, Mapping):
        return None
    try:
        document = plain(given)
        json.dumps(document)
        texts = tuple(_texts_in(document))
    except (TypeError, ValueError, RecursionError):
        return None
    return document if all(_is_storable(one) for one in texts) else None


def _texts_in(value: object) -> Iterator[str]:
    """Yield all texts of a document, the names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield name
            yield from _texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts_in(inner)


def _objects(given: object) -> tuple[Any, ...] | None:
    if not isinstance(given, list | tuple):
        return None
    found = tuple(_object(one) for one in given)
    return None if None in found else found


def _names(given: object) -> tuple[str, ...] | None:
    if not isinstance(given, list | tuple):
        return None
    names = tuple((_text(one) or "").strip() for one in given)
    return None if "" in names else names


def _amount(given: object) -> Decimal | None:
    if isinstance(given, bool) or not isinstance(given, int | float | str | Decimal):
        return None
    try:
        # By way of its text: 0.1 is meant, not the nearest binary fraction.
        amount = Decimal(str(given))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None


def _moment(given: object) -> datetime | None:
    if isinstance(given, str):
        try:
            return datetime.fromisoformat(given)
        except ValueError:
            return None
    if isinstance(given, date) and not isinstance(given, datetime):
        # A service gives it the site's time zone.
        return datetime.combine(given, time())
    return given if isinstance(given, datetime) else None


def plain(given: Any) -> Any:
    """Return a document as JSON has it: TOML and YAML know days and times, and so do Python's dicts."""
    if isinstance(given, Mapping):
        return {str(name): plain(value) for name, value in given.items()}
    if isinstance(given, list | tuple):
        return [plain(value) for value in given]
    if isinstance(given, date | time):
        return given.isoformat()
    return str(given) if isinstance(given, Decimal) else given


#: Reads a value, by the annotation of its field.
_READERS: Final[Mapping[str, Callable[[object], Any]]] = {
    "str": _filled_text,
    "str | None": _text,
    "int | None": _count,
    "bool | None": _flag,
    "Decimal | None": _amount,
    "datetime | None": _moment,
    # Not an empty one.
    "tuple[str, ...]": lambda given: _names(given) or None,
    "tuple[str, ...] | None": _names,
    "Mapping[str, Any] | None": _object,
    "tuple[Mapping[str, Any], ...] | None": _objects,
}
