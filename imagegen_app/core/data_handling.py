"""Say what a provider does with prompts and images: how long it keeps them, where, and what for.

An adapter declares what is known of its provider, and an administrator what is agreed for an account
or a model, as JSON on its row::

    {"zero_retention": {"value": "always", "source": "https://...", "checked_on": "2026-11-26"}}

Each fact has its source and the day on which it was read there. What nobody has declared is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from imagegen_app.core.i18n import Message, gettext_noop

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The facts, with what each says, for the reference.
FACTS: Final[Mapping[str, str]] = {
    "input_retention": "Hours for which prompts and images sent are kept; 0: not at all.",
    "output_retention": "Hours for which the images made are kept; 0: not at all.",
    "zero_retention": "Whether it can be had that nothing is kept.",
    "training": "Whether what is sent is used to train models.",
    "regions": "Where it is processed, as codes or names.",
    "marks": "Marks of AI generation in the files.",
}
LABELS: Final[Mapping[str, str]] = {
    "input_retention": gettext_noop("prompts and images sent"),
    "output_retention": gettext_noop("images made"),
    "zero_retention": gettext_noop("nothing kept at all"),
    "training": gettext_noop("used for training"),
    "regions": gettext_noop("processed in"),
    "marks": gettext_noop("marks in the files"),
}
#: The values of facts that have a fixed choice, with their words.
CHOICES: Final[Mapping[str, Mapping[str, str]]] = {
    "zero_retention": {
        "always": gettext_noop("always"),
        "setting": gettext_noop("by a setting at the provider"),
        "on_request": gettext_noop("if the provider approves it"),
        "no": gettext_noop("not offered"),
    },
    "training": {
        "no": gettext_noop("no"),
        "opt_in": gettext_noop("only with permission"),
        "opt_out": gettext_noop("unless it is refused"),
        "yes": gettext_noop("yes"),
    },
}
#: Marks, with their words.
MARKS: Final[Mapping[str, str]] = {
    "c2pa": "C2PA",
    "synthid": "SynthID",
    "watermark": gettext_noop("another watermark"),
}
UNKNOWN: Final = gettext_noop("unknown")
_HOURS: Final = frozenset({"input_retention", "output_retention"})
_ENTRIES: Final = frozenset({"value", "source", "checked_on"})
_MAX_HOURS: Final = 1_000_000
_DAY: Final = 24
_MAX_SOURCE_CHARS: Final = 300
_MAX_REGIONS: Final = 20
_MAX_REGION_CHARS: Final = 40


class InvalidDataFact(ValueError):
    """A fact is not valid; front ends translate `problem`."""

    def __init__(self, text: str, **values: object) -> None:
        self.problem = Message(text, values)
        super().__init__(str(self.problem))


@dataclass(frozen=True, slots=True)
class DataFact:
    """One fact, and where it was read."""

    #: Hours, a key of `CHOICES`, or a tuple of regions or of keys of `MARKS`, by the fact's name.
    value: Any
    #: The URL, or the name of the contract.
    source: str
    #: When it was read there.
    checked_on: date
    #: An option of the account; the fact holds only while it has its default.
    option: str = ""


def facts(*, source: str, checked_on: str, option: str = "", **values: Any) -> dict[str, DataFact]:
    """Return facts from one source, for an adapter's class to declare.

    :raises InvalidDataFact: if one of them is not valid.
    """
    document = {
        name: {"value": value, "source": source, "checked_on": checked_on}
        for name, value in values.items()
    }
    return {
        name: DataFact(fact.value, fact.source, fact.checked_on, option)
        for name, fact in parse_facts(document).items()
    }


def parse_facts(document: object) -> dict[str, DataFact]:
    """Read facts from JSON.

    :raises InvalidDataFact: if a fact is unknown, has a wrong value, or no source or day.
    """
    if not isinstance(document, dict):
        raise InvalidDataFact(gettext_noop("A JSON object is needed, such as {}."))
    return {name: _parse_fact(name, entry) for name, entry in document.items()}


def words(name: str, value: Any) -> tuple[Message, ...]:
    """Return a fact's value in words, for front ends to translate; several for a list."""
    if name in _HOURS:
        return (_duration(value),)
    if name in CHOICES:
        # What an older version has recorded may have no words any more.
        return (Message(CHOICES[name].get(value, str(value))),)
    if not value:
        return (Message(gettext_noop("none")),)
    return tuple(Message(MARKS.get(one, one) if name == "marks" else one) for one in value)


def plain(value: Any) -> Any:
    """Return a fact's value as JSON."""
    return list(value) if isinstance(value, tuple) else value


def _duration(hours: int) -> Message:
    if hours == 0:
        return Message(gettext_noop("not kept"))
    if hours == 1:
        return Message(gettext_noop("1 hour"))
    if hours > _DAY and hours % _DAY == 0:
        return Message(gettext_noop("%(days)s days"), {"days": hours // _DAY})
    return Message(gettext_noop("%(hours)s hours"), {"hours": hours})


def _parse_fact(name: str, entry: object) -> DataFact:
    if name not in FACTS:
        raise InvalidDataFact(gettext_noop("“%(name)s” is not a known fact."), name=str(name)[:40])
    if not isinstance(entry, dict) or set(entry) != _ENTRIES:
        raise InvalidDataFact(
            gettext_noop("%(name)s: write an object with value, source and checked_on."), name=name
        )
    source = entry["source"]
    if not isinstance(source, str) or not source.strip() or len(source) > _MAX_SOURCE_CHARS:
        raise InvalidDataFact(gettext_noop("%(name)s: the source is missing."), name=name)
    try:
        day = date.fromisoformat(entry["checked_on"])
    except (TypeError, ValueError):
        raise InvalidDataFact(
            gettext_noop("%(name)s: checked_on must be a day such as 2026-11-26."), name=name
        ) from None
    value = entry["value"]
    value = tuple(value) if isinstance(value, list) else value
    if not _is_valid(name, value):
        raise InvalidDataFact(gettext_noop("%(name)s: the value is not valid."), name=name)
    return DataFact(value, source.strip(), day)


def _is_valid(name: str, value: Any) -> bool:
    if name in _HOURS:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return is_number and 0 <= value <= _MAX_HOURS
    if name in CHOICES:
        return isinstance(value, str) and value in CHOICES[name]
    if not isinstance(value, tuple) or not all(isinstance(one, str) for one in value):
        return False
    if name == "marks":
        return set(value) <= set(MARKS)
    texts = [one.strip() for one in value]
    return 0 < len(texts) <= _MAX_REGIONS and all(0 < len(t) <= _MAX_REGION_CHARS for t in texts)
