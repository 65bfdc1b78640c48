"""Define every kind of audit event, and build the body that the log hashes.

A body never holds personal text: only salted commitments to it, so that erasing a person's
data breaks no hash. Each event's sentence is for people; a front end translates the sentence and
fills in the values with `EventType.describe`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, Protocol

from imagegen_app.core import canonical
from imagegen_app.core.event_table import ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from uuid import UUID

Severity = Literal["info", "notice", "warning", "alarm"]

#: From the least to the most severe.
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "notice", "warning", "alarm")

#: Version of the body's format, stored in each body as `v`.
BODY_VERSION: Final = 2
MAX_BODY_BYTES: Final = 64 * 1024
#: With a shorter salt, a short prompt could be guessed from its commitment.
MIN_SALT_BYTES: Final = 16

#: Fields that are personal in every event: names, network addresses and free text.
PERSONAL_EVERYWHERE: Final = (
    "actor_label",
    "address",
    "email",
    "negative_prompt",
    "note",
    "object_label",
    "on_behalf_of_label",
    "prompt",
    "reason",
    "user_agent",
)

#: Shown in a sentence in place of a value that is missing or was erased.
ABSENT: Final = "…"

_NAME = re.compile(r"[a-z][a-z_]*\.[a-z][a-z_]*\Z")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_KIND = re.compile(r"[A-Za-z0-9_.]{1,100}\Z")
#: A pseudonym or the name of a part of the system; an address has an @ and does not fit.
_ACTOR_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}\Z")
_COMMITMENT_HASH = re.compile(r"[0-9a-f]{64}\Z")
_MAX_ID_CHARS = 255
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


class EventError(ValueError):
    """The event's body cannot be built from the given values."""


class UnknownEvent(EventError):
    """No event has this name."""

    def __init__(self, name: str) -> None:
        near = get_close_matches(name, EVENTS, n=1, cutoff=0.0)
        #: The known name that is most similar.
        self.nearest = near[0]
        super().__init__(f"no event is called {name!r}; the nearest is {self.nearest!r}")
        self.name = name


class PersonalDataInClear(EventError):
    """The event's data contain a personal field in clear text."""


class InvalidCommitment(EventError):
    """A commitment is malformed, or belongs to a field that is not personal."""


class InvalidParty(EventError):
    """An actor or object has no usable kind or id."""


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of audit event."""

    #: `noun.past_participle`.
    name: str
    #: Plain English with named placeholders; `{actor}` and `{object}` fit every event.
    sentence: str
    severity: Severity
    #: The fields that never enter the body in clear, `PERSONAL_EVERYWHERE` included.
    personal: tuple[str, ...]

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise ValueError(f"{self.name!r} does not have the form noun.past_participle")

    @property
    def noun(self) -> str:
        """The kind of thing that the event is about: the part before the dot."""
        return self.name.partition(".")[0]

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The names of the values that the sentence contains."""
        return tuple(_PLACEHOLDER.findall(self.sentence))

    def describe(self, values: Mapping[str, object], *, sentence: str = "") -> str:
        """Return the sentence, or the given translation of it, with the values filled in.

        A missing or empty value is shown as `ABSENT`.
        """

        # No str.format: a translation could read the attributes of the values with it.
        def fill(match: re.Match[str]) -> str:
            value = values.get(match[1])
            return ABSENT if value is None or value == "" else str(value)

        return _PLACEHOLDER.sub(fill, sentence or self.sentence)


class Party(Protocol):
    """An actor or an object of an event, identified by kind and id."""

    @property
    def kind(self) -> str: ...

    @property
    def id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """A thing that an event is about, such as `ObjectRef("job", "42")`."""

    kind: str
    id: str


#: Every event, by name.
EVENTS: Final[Mapping[str, EventType]] = MappingProxyType(
    {
        row.name: EventType(
            name=row.name,
            sentence=row.sentence,
            severity=row.severity,
            personal=(*PERSONAL_EVERYWHERE, *row.personal),
        )
        for row in ROWS
    }
)


def event_type(name: str) -> EventType:
    """Return the kind of event with this name.

    :raises UnknownEvent: if there is none; the message names the most similar one.
    """
    try:
        return EVENTS[name]
    except KeyError:
        raise UnknownEvent(name) from None


def make_commitment(value: str, salt: bytes) -> dict[str, str | int]:
    """Return a commitment to personal text: its salted hash `c`, and its length `n` in characters.

    :raises InvalidCommitment: if the salt is too short.
    """
    if len(salt) < MIN_SALT_BYTES:
        raise InvalidCommitment(f"a salt has at least {MIN_SALT_BYTES} bytes")
    return {"c": hashlib.sha256(salt + value.encode()).hexdigest(), "n": len(value)}


def matches_commitment(value: str, *, salt: bytes, commitment: Mapping[str, object]) -> bool:
    """Return whether the commitment was made to this text with this salt.

    :raises InvalidCommitment: if the salt is too short, or the commitment is malformed.
    """
    _check_commitment("value", commitment)
    expected = make_commitment(value, salt)
    return expected["n"] == commitment["n"] and hmac.compare_digest(
        str(expected["c"]), str(commitment["c"])
    )


def build_body(
    *,
    uid: UUID,
    at: datetime,
    type: str,  # noqa: A002 - the field's name in the log's format
    actor: Party,
    on_behalf_of: Party | None = None,
    object: Party | None = None,  # noqa: A002 - the field's name in the log's format
    job: UUID | None = None,
    asset: UUID | None = None,
    request_id: str = "",
    data: Mapping[str, object] | None = None,
    commitments: Mapping[str, Mapping[str, object]] | None = None,
) -> str:
    """Return an event's canonical text: what is stored, hashed and exported, byte for byte.

    `job` and `asset` are the keys by which the events of an image are found and exported; they are
    part of the text so that nobody can hide an event from its image. Bodies of version 1 lack them.

    :raises UnknownEvent: if no event has this name.
    :raises PersonalDataInClear: if the data hold a personal field of the event, at any depth.
    :raises InvalidCommitment: if a commitment is malformed, or its field is not personal.
    :raises InvalidParty: if a kind or id is malformed, or an actor's id is not a pseudonym.
    :raises NotCanonical: if the data have no canonical text, or are too long.
    """
    event, fields, committed = event_type(type), dict(data or {}), dict(commitments or {})
    for field, commitment in committed.items():
        if field not in event.personal:
            raise InvalidCommitment(f"{event.name}: {field} is not among its personal fields")
        _check_commitment(field, commitment)
    text = canonical.dumps(
        {
            "v": BODY_VERSION,
            "uid": uid,
            "at": at,
            "type": event.name,
            "severity": event.severity,
            "actor": _party(actor, _ACTOR_ID),
            "on_behalf_of": None if on_behalf_of is None else _party(on_behalf_of, _ACTOR_ID),
            "object": None if object is None else _party(object),
            "job": job,
            "asset": asset,
            "request_id": request_id,
            "data": fields,
            "commitments": {
                field: {"c": entry["c"], "n": entry["n"]} for field, entry in committed.items()
            },
        },
        max_bytes=MAX_BODY_BYTES,
    )
    # Searched after writing: data that have a canonical text are finite, so the search ends.
    for path in _personal_fields(fields, event.personal):
        raise PersonalDataInClear(f"{event.name}: {path} is personal; commit to it instead")
    return text


def has_personal_names(value: object) -> bool:
    """Return whether a value has a key, at any depth, that would be taken for a personal field."""
    return any(True for _path in _personal_fields(value, PERSONAL_EVERYWHERE))


def _personal_fields(value: object, personal: tuple[str, ...], path: str = "") -> Iterator[str]:
    """Yield the paths of keys that name personal fields, at any depth; values are never quoted."""
    if isinstance(value, dict):
        for key, item in value.items():
            key_path = f"{path}.{key}" if path else str(key)
            if key in personal:
                yield key_path
            yield from _personal_fields(item, personal, key_path)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _personal_fields(item, personal, path)


def _check_commitment(field: str, commitment: Mapping[str, object]) -> None:
    digest, length = commitment.get("c"), commitment.get("n")
    well_formed = (
        set(commitment) == {"c", "n"}
        and isinstance(digest, str)
        and bool(_COMMITMENT_HASH.match(digest))
        and isinstance(length, int)
        and length >= 0
    )
    if not well_formed:
        raise InvalidCommitment(f"the commitment to {field} is malformed")


def _party(party: Party, pattern: re.Pattern[str] | None = None) -> dict[str, str]:
    if not _KIND.match(party.kind):
        raise InvalidParty("the kind of an actor or object must be letters, digits, _ and .")
    if pattern and not pattern.match(party.id):
        raise InvalidParty("the id of an actor must be a pseudonym: letters, digits and _ . : -")
    if len(party.id) > _MAX_ID_CHARS or _UNPRINTABLE.search(party.id):
        raise InvalidParty(f"an id must be one line of at most {_MAX_ID_CHARS} characters")
    return {"kind": party.kind, "id": party.id}
