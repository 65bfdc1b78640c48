"""Read the events that say that the log was restored from a backup, and what was given up by that.

After a restore the log is shorter than its published checkpoints, or goes on differently. Who
accepts that gives these checkpoints up: each is named by size and root, so that nothing else that
does not fit the log is excused with them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imagegen_app.core.i18n import gettext_noop

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: The kind of the event.
EVENT: Final = "log.restore_accepted"
#: The warning that stays, for people; the placeholders are filled with `AcceptedRestore.facts`.
WARNING: Final = gettext_noop(
    "The log was restored from a backup at %(kept)s entries. From entry %(kept)s to entry %(last)s, "
    "what was published in “%(places)s” is lost."
)


@dataclass(frozen=True, slots=True)
class AcceptedRestore:
    """A restore of the log that was accepted; the entries from `kept` to `size` are given up."""

    #: The time of the event, as its body writes it.
    at: str
    #: Size and root (in hexadecimal) of the largest published checkpoint that was given up.
    size: int
    root: str
    #: The places in which it was found.
    places: str
    #: How many entries the log is known to have in common with what was published.
    kept: int
    #: How many entries the log had when that was accepted.
    present: int
    #: All checkpoints that were given up: size and root.
    given_up: frozenset[tuple[int, bytes]]

    @property
    def facts(self) -> Mapping[str, object]:
        """The values of the warning's placeholders."""
        return {"kept": self.kept, "last": self.size - 1, "places": self.places}


def read(body: str) -> AcceptedRestore:
    """Read the body of such an event.

    :raises ValueError: if it is not one that the application writes.
    """
    try:
        event = json.loads(body)
        if event["type"] != EVENT:
            raise ValueError("this event tells of no restore")
        data = event["data"]
        return AcceptedRestore(
            at=str(event["at"]),
            size=int(data["size"]),
            root=str(data["root"]),
            places=str(data["places"]),
            kept=int(data["kept"]),
            present=int(data["present"]),
            given_up=frozenset((int(size), bytes.fromhex(root)) for size, root in data["given_up"]),
        )
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("the event is not as the application writes it") from error


def read_all(bodies: Iterable[str]) -> tuple[AcceptedRestore, ...]:
    """Read the bodies of such events, and join those of one restore, which may need several.

    One that cannot be read gives nothing up: the verification reports that its body was changed.
    """
    found: dict[tuple[int, str], AcceptedRestore] = {}
    for body in bodies:
        try:
            one = read(body)
        except ValueError:
            continue
        before = found.get((one.size, one.root))
        if before is None:
            found[(one.size, one.root)] = one
            continue
        found[(one.size, one.root)] = AcceptedRestore(
            at=before.at,
            size=before.size,
            root=before.root,
            places=before.places,
            kept=min(before.kept, one.kept),
            present=before.present,
            given_up=before.given_up | one.given_up,
        )
    return tuple(found.values())


def all_given_up(restores: Iterable[AcceptedRestore]) -> frozenset[tuple[int, bytes]]:
    """Return size and root of all checkpoints that were given up."""
    return frozenset().union(*(one.given_up for one in restores))
