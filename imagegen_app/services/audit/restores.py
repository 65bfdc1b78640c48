"""Accept that the log was restored from a backup, and record what is lost by that.

A log that is shorter than what was published of it is neither signed nor published nor exported.
That is right while a newer backup may exist. If there is none, somebody must give up what was
published since: with a reason, and with an alarm in the log that stays. Nothing is forgotten by
that: who kept a copy can show that it was given up, and the verification says so for ever.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _

from imagegen_app.services.audit import (
    _continuation,
    _given_up,
    _published_checkpoints,
    log_key,
    sealing,
    verification,
)
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import checkpoint_places
from imagegen_app.services.policy.access import require_permission

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.actors import Actor

#: What cannot come from a restored backup, since a backup agrees with itself.
_DAMAGE: Final = frozenset(
    {
        "changed_body",
        "changed_leaf",
        "checkpoint",
        "deleted_event",
        "gap",
        "missing_leaf",
        "rollback",
        "tile_mismatch",
    }
)
#: Checkpoints that one event names; the events of one restore name all of them.
_NAMED_AT_ONCE: Final = 500


class CannotAccept(Exception):
    """Nothing was accepted; the message says why."""


@dataclass(frozen=True, slots=True)
class LostBranch:
    """What was published of the log and is no longer in it."""

    #: Size and root (in hexadecimal) of its largest published checkpoint.
    size: int
    root: str
    #: The places in which that was found.
    places: tuple[str, ...]
    #: How many entries the log is known to have in common with what was published.
    kept: int
    #: How many entries the log has now.
    present: int
    #: Its checkpoints: size and root, the largest first.
    checkpoints: tuple[tuple[int, bytes], ...]
    #: Places that could not be read, each with the reason.
    unreached: Mapping[str, str]

    @property
    def lost_count(self) -> int:
        """How many entries were published and are not known to be in the log."""
        return self.size - self.kept


def find(actor: Actor) -> LostBranch:
    """Return what would be given up; nothing is changed, except that waiting events are sealed.

    :raises NotPermitted: without the permission to verify the log.
    :raises CannotAccept: if the log continues all copies that can be read, or is damaged itself.
    :raises KeyUnreadable: if the log's key cannot be read.
    :raises SealerBusy: if another process seals for longer than we wait.
    """
    require_permission(actor, "verify_audit")
    # What keeps it from being sealed is what the verification finds.
    with suppress(sealing.LogDamaged):
        sealing.seal_all()
    lost = _lost_branch()
    report = verification.verify(given_up=frozenset(lost.checkpoints))
    damage = next((one for one in report.findings if one.kind in _DAMAGE), None)
    if damage is not None:
        raise CannotAccept(
            _("The log is damaged, which no restored backup explains: %(finding)s")
            % {"finding": damage.translated}
        )
    return lost


def accept(actor: Actor, *, size: int, reason: str) -> LostBranch:
    """Give up the published checkpoints that the log does not continue, and sign the log again.

    `size` is that of the largest one: it shows that the actor was told what is lost.

    :raises NotPermitted: without the permission to verify the log.
    :raises CannotAccept: without a reason, if the size is another one, or as `find`.
    :raises KeyUnreadable: if the log's key cannot be read.
    :raises SealerBusy: if another process seals for longer than we wait.
    """
    require_permission(actor, "verify_audit")
    if not reason.strip():
        raise CannotAccept(_("Give the reason: why the log was restored, and from which backup."))
    lost = find(actor)
    if lost.size != size:
        raise CannotAccept(
            _(
                "The largest checkpoint that would be given up has %(found)s entries, not %(given)s: "
                "read again what would be lost."
            )
            % {"found": lost.size, "given": size}
        )
    _record(actor, lost, reason=reason.strip())
    sealing.seal_all()
    if sealing.make_checkpoint(actor, force=True) is None:
        raise CannotAccept(_("The log does not continue what was published meanwhile: try again."))
    return lost


def _lost_branch() -> LostBranch:
    """Find the copies that the log does not continue.

    :raises CannotAccept: if there are none.
    """
    ring, known, log = log_key.ring(), _given_up.checkpoints(), _continuation.Continuation()
    found_in: dict[tuple[int, bytes], list[str]] = {}
    unreached: dict[str, str] = {}
    kept = 0
    for name, place in checkpoint_places.readable(checkpoint_places.build_places()).items():
        try:
            copies = _published_checkpoints.read_all(ring, place, given_up=known)
        except checkpoint_places.PlaceFailed as error:
            unreached[name] = str(error)
            continue
        stated = {(one.size, one.root) for one in copies.checkpoints.values()}
        lost = {one for one in stated if not log.includes(*one)}
        for one in lost:
            found_in.setdefault(one, []).append(name)
        if lost:
            # Only below: above, it may be what the log was signed with after the restore.
            first = min(size for size, _root in lost)
            kept = max([kept, *(size for size, _root in stated - lost if size < first)])
    if not found_in:
        message = _("There is nothing to accept: the log continues all copies that can be read.")
        for name, problem in unreached.items():
            message += " " + _("Not compared: “%(place)s” (%(problem)s).") % {
                "place": name,
                "problem": problem,
            }
        raise CannotAccept(message)
    checkpoints = tuple(sorted(found_in, reverse=True))
    size, root = checkpoints[0]
    return LostBranch(
        size=size,
        root=root.hex(),
        places=tuple(sorted(found_in[checkpoints[0]])),
        kept=kept,
        present=log.size,
        checkpoints=checkpoints,
        unreached=unreached,
    )


@use_case()
def _record(actor: Actor, lost: LostBranch, *, reason: str) -> None:
    """Record the alarm; in several events if one cannot name all checkpoints."""
    for start in range(0, len(lost.checkpoints), _NAMED_AT_ONCE):
        named = lost.checkpoints[start : start + _NAMED_AT_ONCE]
        event_log.record(
            actor,
            "log.restore_accepted",
            data={
                "size": lost.size,
                "root": lost.root,
                "places": ", ".join(lost.places),
                "kept": lost.kept,
                "present": lost.present,
                "given_up": [[size, root.hex()] for size, root in named],
            },
            personal={"reason": reason},
        )
