"""Read a catalogue of models: a file that says which models providers have, and for how much.

The file is JSON::

    {"format": 1, "made_on": "2026-11-27",
     "models": [{"adapter": "openai", "model": "gpt-image-2-2026-04-21", "name": "GPT Image 2",
                 "version": "2026-04-21",
                 "price_list": {"currency": "USD", ..., "checked_on": "2026-11-26", "source": "..."},
                 "capabilities": {...}, "notes": "...",
                 "retires_on": "2027-05-31", "retirement_source": "...", "replaced_by": "..."}]}

`capabilities` corrects what the adapter knows, and `price_list` is as `pricing` describes it; a price
needs its source and the day on which somebody looked. `replaced_by` names another model of the adapter.
With `"is_base_model": true`, `model` is what a site deploys under names of its own, as at Azure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from imagegen_app.core.i18n import Message, gettext_noop
from imagegen_app.core.pricing import PriceList, PriceUnknown
from imagegen_app.core.provider_values import InvalidJson, load_json

#: The size of a file, and its entries.
MAX_FILE_BYTES = 4 * 2**20
MAX_ENTRIES = 5000
#: Problems that are told: with more, the first ones are enough to work on.
MAX_PROBLEMS = 50
_FORMAT = 1
#: The texts of an entry, with the characters of each; those of the first group must not be empty.
_REQUIRED = {"adapter": 200, "model": 120, "name": 80, "version": 80}
_OPTIONAL = {"notes": 2000, "replaced_by": 120, "retirement_source": 300}
_KNOWN = frozenset(
    {*_REQUIRED, *_OPTIONAL, "retires_on", "price_list", "capabilities", "is_base_model"}
)
_UNKNOWN = gettext_noop("“%(name)s” is not an entry of a catalogue")
_FILE_KNOWN = frozenset({"format", "made_on", "models"})


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One model of a catalogue."""

    adapter: str
    #: The model's name at the provider.
    model: str
    name: str
    version: str
    #: As it is stored; empty where no price is known.
    price_list: Mapping[str, Any] = field(default_factory=dict)
    #: What corrects the adapter's, as it is stored.
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    retires_on: date | None = None
    #: Where the date is from.
    retirement_source: str = ""
    #: Another model's name at the provider; empty for none.
    replaced_by: str = ""
    notes: str = ""
    #: Whether `model` is a base model, which each site deploys under names of its own.
    is_base_model: bool = False

    @property
    def label(self) -> str:
        """What problems call it."""
        return f"{self.adapter}/{self.model}"


@dataclass(frozen=True, slots=True)
class EntryProblem:
    """What is wrong with an entry of a catalogue; front ends translate `problem`."""

    #: `adapter/model`, or `models[3]`; empty for the file itself.
    entry: str
    problem: Message

    def __str__(self) -> str:
        """Return it in English, for logs."""
        return f"{self.entry}: {self.problem}" if self.entry else str(self.problem)


class InvalidCatalog(ValueError):
    """A catalogue cannot be used; `problems` has one entry for each mistake."""

    def __init__(self, problems: list[EntryProblem]) -> None:
        self.problems = problems[:MAX_PROBLEMS]
        super().__init__("; ".join(str(one) for one in self.problems))


def read_catalog(data: bytes) -> tuple[CatalogEntry, ...]:
    """Return the entries of a file, each after the one that replaces it.

    :raises InvalidCatalog: if it is too large, no JSON, or has any mistake; nothing of it counts then.
    """
    if len(data) > MAX_FILE_BYTES:
        text = gettext_noop("the file is larger than %(limit)s MB")
        raise _of_file(text, limit=str(MAX_FILE_BYTES // 2**20))
    try:
        document = load_json(data)
    except InvalidJson:
        raise _of_file(gettext_noop("the file is not JSON")) from None
    models = document.get("models") if isinstance(document, dict) else None
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        text = gettext_noop("the file is not a catalogue of models: “format” must be %(known)s")
        raise _of_file(text, known=str(_FORMAT))
    if not isinstance(models, list) or len(models) > MAX_ENTRIES:
        text = gettext_noop("“models” must be a list of at most %(most)s entries")
        raise _of_file(text, most=str(MAX_ENTRIES))
    problems = [
        EntryProblem("", Message(_UNKNOWN, {"name": str(name)[:40]}))
        for name in sorted(set(document) - _FILE_KNOWN)
    ]
    entries = []
    for number, given in enumerate(models, 1):
        found = list(_problems(given))
        label = _label(given, number)
        problems += [EntryProblem(label, one) for one in found]
        if not found:
            entries.append(_entry(given))
    problems += _joint_problems(entries)
    if problems:
        raise InvalidCatalog(problems)
    return tuple(_in_order(entries))


def _of_file(text: str, **values: str) -> InvalidCatalog:
    return InvalidCatalog([EntryProblem("", Message(text, values))])


def _label(given: object, number: int) -> str:
    named = given if isinstance(given, Mapping) else {}
    adapter, model = (str(named.get(part, ""))[:120] for part in ("adapter", "model"))
    return f"{adapter}/{model}" if adapter and model else f"models[{number}]"


def _problems(given: object) -> Iterator[Message]:
    """Yield what is wrong with one entry by itself."""
    if not isinstance(given, dict):
        yield Message(gettext_noop("an object is needed"))
        return
    for name in sorted(set(given) - _KNOWN):
        yield Message(_UNKNOWN, {"name": str(name)[:40]})
    for name, most in (_REQUIRED | _OPTIONAL).items():
        value = given.get(name, "")
        if not isinstance(value, str) or len(value) > most or (name in _REQUIRED and not value):
            text = gettext_noop("“%(name)s” must be a text of 1 to %(most)s characters")
            yield Message(text, {"name": name, "most": str(most)})
    if not isinstance(given.get("capabilities", {}), dict):
        yield Message(gettext_noop("“%(name)s” must be an object"), {"name": "capabilities"})
    if not isinstance(given.get("is_base_model", False), bool):
        yield Message(gettext_noop("“%(name)s” must be true or false"), {"name": "is_base_model"})
    if "retires_on" in given:
        yield from _retirement_problems(given)
    if "price_list" in given:
        yield from _price_problems(given["price_list"])


def _retirement_problems(given: Mapping[str, Any]) -> Iterator[Message]:
    if _day(given["retires_on"]) is None:
        text = gettext_noop("“%(name)s” must be a date such as 2027-05-31")
        yield Message(text, {"name": "retires_on"})
    if not given.get("retirement_source"):
        yield Message(
            gettext_noop("a retirement needs “retirement_source”, where the date is from")
        )


def _price_problems(price_list: object) -> Iterator[Message]:
    try:
        price = PriceList.from_dict(price_list)  # type: ignore[arg-type]  # it checks that
    except PriceUnknown as error:
        yield error.problem
        return
    if price.checked_on is None or not price.source:
        text = gettext_noop(
            "a price needs “source” and “checked_on”: where it is from, and of when"
        )
        yield Message(text)


def _joint_problems(entries: list[CatalogEntry]) -> list[EntryProblem]:
    """Return what is wrong with the entries together: repeated ones, and successors that are none."""
    found = []
    for (adapter, model), count in Counter((e.adapter, e.model) for e in entries).items():
        if count > 1:
            text = gettext_noop("it is listed %(count)s times")
            found.append(EntryProblem(f"{adapter}/{model}", Message(text, {"count": str(count)})))
    known = {(entry.adapter, entry.model): entry for entry in entries}
    for entry in entries:
        if entry.replaced_by and (entry.adapter, entry.replaced_by) not in known:
            text = gettext_noop("“replaced_by” names “%(name)s”, which is not in the file")
            found.append(EntryProblem(entry.label, Message(text, {"name": entry.replaced_by})))
        elif _is_circular(entry, known):
            text = gettext_noop("“replaced_by” leads back to it")
            found.append(EntryProblem(entry.label, Message(text)))
    return found


def _is_circular(entry: CatalogEntry, known: Mapping[tuple[str, str], CatalogEntry]) -> bool:
    seen = {entry.model}
    following: CatalogEntry | None = entry
    while following is not None and following.replaced_by:
        if following.replaced_by in seen:
            return True
        seen.add(following.replaced_by)
        following = known.get((entry.adapter, following.replaced_by))
    return False


def _in_order(entries: list[CatalogEntry]) -> list[CatalogEntry]:
    known = {(entry.adapter, entry.model): entry for entry in entries}
    found: dict[tuple[str, str], CatalogEntry] = {}
    for entry in entries:
        chain = [entry]
        while chain[-1].replaced_by:
            chain.append(known[entry.adapter, chain[-1].replaced_by])
        found |= {(one.adapter, one.model): one for one in reversed(chain)}
    return list(found.values())


def _entry(given: Mapping[str, Any]) -> CatalogEntry:
    return CatalogEntry(**{**given, "retires_on": _day(given.get("retires_on"))})


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
