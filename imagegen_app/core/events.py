"""Name every kind of audit event, and write the body that the log hashes.

A body never holds personal text: only salted commitments to it, so that erasing a person's
data breaks no hash. Each event's sentence is for people; a front end translates the template and
fills it with `EventType.describe`.
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

#: From the mildest to the gravest.
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "notice", "warning", "alarm")

#: The form of a body; a reader of the log looks here first.
BODY_VERSION: Final = 1
MAX_BODY_BYTES: Final = 64 * 1024
#: Shorter salts would let a short prompt be guessed from its commitment.
MIN_SALT_BYTES: Final = 16

#: Fields that are personal in every event: who and from where, and what people write freely.
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

#: What stands in a sentence for a value that is not there, or was erased.
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
    """The event cannot be written down as it is."""


class UnknownEvent(EventError):
    """No event has this name."""

    def __init__(self, name: str) -> None:
        near = get_close_matches(name, EVENTS, n=1, cutoff=0.0)
        #: The known name that is most like it.
        self.nearest = near[0]
        super().__init__(f"no event is called {name!r}; the nearest is {self.nearest!r}")
        self.name = name


class PersonalDataInClear(EventError):
    """A personal field was about to enter the log in clear."""


class InvalidCommitment(EventError):
    """A commitment is malformed, or stands for a field that is not personal."""


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
    #: The fields that never enter the body in clear, with those personal everywhere.
    personal: tuple[str, ...]

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise ValueError(f"{self.name!r} is not noun.past_participle")

    @property
    def noun(self) -> str:
        """What it is about: the part before the dot."""
        return self.name.partition(".")[0]

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The values that the sentence mentions."""
        return tuple(_PLACEHOLDER.findall(self.sentence))

    def describe(self, values: Mapping[str, object], *, sentence: str = "") -> str:
        """Return the sentence, or its translation, filled with values; absent ones show as …."""

        # No str.format: a value or a translation must not reach into attributes.
        def fill(match: re.Match[str]) -> str:
            value = values.get(match[1])
            return ABSENT if value is None or value == "" else str(value)

        return _PLACEHOLDER.sub(fill, sentence or self.sentence)


class Party(Protocol):
    """Someone or something that an event names: every actor is one."""

    @property
    def kind(self) -> str: ...

    @property
    def id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """A thing that an event is about, such as `Ref("job", "42")`."""

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
    """Return the event of this name.

    :raises UnknownEvent: if there is none; it names the nearest.
    """
    try:
        return EVENTS[name]
    except KeyError:
        raise UnknownEvent(name) from None


def make_commitment(value: str, salt: bytes) -> dict[str, str | int]:
    """Return a commitment to personal text: a salted hash, and the length in characters.

    :raises InvalidCommitment: if the salt is too short.
    """
    if len(salt) < MIN_SALT_BYTES:
        raise InvalidCommitment(f"a salt has at least {MIN_SALT_BYTES} bytes")
    return {"c": hashlib.sha256(salt + value.encode()).hexdigest(), "n": len(value)}


def matches_commitment(value: str, *, salt: bytes, commitment: Mapping[str, object]) -> bool:
    """Return whether the commitment was made to this text with this salt.

    :raises InvalidCommitment: if the salt is too short, or it is no commitment.
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
    type: str,  # noqa: A002 - the word of the log's format
    actor: Party,
    on_behalf_of: Party | None = None,
    object: Party | None = None,  # noqa: A002 - the word of the log's format
    request_id: str = "",
    data: Mapping[str, object] | None = None,
    commitments: Mapping[str, Mapping[str, object]] | None = None,
) -> str:
    """Return an event's canonical text: what is stored, hashed and exported, byte for byte.

    :raises UnknownEvent: if no event has this name.
    :raises PersonalDataInClear: if the data hold a personal field of the event, at any depth.
    :raises InvalidCommitment: if a commitment is malformed, or its field is not personal.
    :raises InvalidParty: if an actor's id is no pseudonym, or a kind or id is unusable.
    :raises NotCanonical: if the data have no canonical text, or are too long.
    """
    event, fields, promises = event_type(type), dict(data or {}), dict(commitments or {})
    for field, commitment in promises.items():
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
            "request_id": request_id,
            "data": fields,
            "commitments": {
                field: {"c": promise["c"], "n": promise["n"]} for field, promise in promises.items()
            },
        },
        max_bytes=MAX_BODY_BYTES,
    )
    # After writing: what has a canonical text is finite, so this search of the data ends.
    for path in _personal_fields(fields, event.personal):
        raise PersonalDataInClear(f"{event.name}: {path} is personal; commit to it instead")
    return text


def _personal_fields(value: object, personal: tuple[str, ...], path: str = "") -> Iterator[str]:
    """Find keys that name personal fields, at any depth; values are never quoted."""
    if isinstance(value, dict):
        for key, item in value.items():
            here = f"{path}.{key}" if path else str(key)
            if key in personal:
                yield here
            yield from _personal_fields(item, personal, here)
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
        raise InvalidParty("the kind of an actor or object is a short plain word")
    if pattern and not pattern.match(party.id):
        raise InvalidParty("the id of an actor is a pseudonym: letters, digits and _ . : -")
    if len(party.id) > _MAX_ID_CHARS or _UNPRINTABLE.search(party.id):
        raise InvalidParty("an id is a short line of text")
    return {"kind": party.kind, "id": party.id}
