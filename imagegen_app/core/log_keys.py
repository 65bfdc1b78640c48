"""Replace the key that signs the log: old and new key sign one checkpoint, which joins them.

Such a handover is a checkpoint with lines that name the two keys. Who trusts one key of
a log can follow its handovers to all others, so that old checkpoints verify for ever. A retired key
counts only for the sizes that it signed for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imagegen_app.core import notes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_FROM: Final = "key-handover-from "
_TO: Final = "key-handover-to "


@dataclass(frozen=True, slots=True)
class Handover:
    """One replacement of a log's key, signed by both keys."""

    #: Verifier key lines.
    old: str
    new: str
    #: The log's size at the handover: the last that the old key signs, and the first of the new.
    size: int
    note: str
    #: When it was signed, as `notes.Checkpoint.signed_at`.
    at: str = ""


@dataclass(frozen=True, slots=True)
class KeyRange:
    """A key of the log, and the sizes of the log for which its signature counts."""

    vkey: str
    first: int
    #: None for the key that is in use.
    last: int | None

    def covers(self, size: int) -> bool:
        """Return whether the key signs for this size."""
        return self.first <= size and (self.last is None or size <= self.last)


def sign_handover(
    *,
    origin: str,
    size: int,
    root: bytes,
    old: Ed25519PrivateKey,
    new: Ed25519PrivateKey,
    at: datetime | None = None,
) -> Handover:
    """Return a checkpoint that hands the log over to another key; with `at`, it says when.

    :raises MalformedNote: if both keys are the same, or a part does not match the format.
    """
    old_line, new_line = (
        notes.vkey(origin, key.public_key().public_bytes_raw()) for key in (old, new)
    )
    if old_line == new_line:
        raise notes.MalformedNote("the new key is the old one")
    extensions: tuple[str, ...] = (f"{_FROM}{old_line}", f"{_TO}{new_line}")
    if at is not None:
        extensions = (*extensions, notes.time_line(at))
    text = notes.Checkpoint(origin, size, root, extensions).text()
    note = notes.sign_note(text, name=origin, private_key=old)
    note += notes.signature_line(text, name=origin, private_key=new)
    return read_handover(note)


def read_handover(note: str) -> Handover:
    """Read a handover, and require the signatures of both keys that it names.

    :raises NotSigned: if one of them did not sign it, or is the key of another log.
    :raises MalformedNote: if it is not a handover.
    """
    checkpoint = notes.parse_checkpoint(notes.parse_note(note).text)
    lines = checkpoint.extensions[: 2 if checkpoint.signed_at else None]
    if len(lines) != 2 or not lines[0].startswith(_FROM) or not lines[1].startswith(_TO):  # noqa: PLR2004 - from and to
        raise notes.MalformedNote("the checkpoint hands the log over to no other key")
    old, new = lines[0].removeprefix(_FROM), lines[1].removeprefix(_TO)
    for line in (old, new):
        notes.verify_checkpoint(note, line)
    if old == new:
        raise notes.MalformedNote("the new key is the old one")
    return Handover(old=old, new=new, size=checkpoint.size, note=note, at=checkpoint.signed_at)


class KeyRing:
    """The keys of a log that follow from one trusted key and the handovers."""

    def __init__(self, trusted: str, handovers: Iterable[Handover] = ()) -> None:
        """Follow the handovers from the trusted key, a `vkey` line, to both sides.

        Handovers that do not lead there are ignored: anyone can sign some between keys of his own.
        """
        into: dict[str, Handover] = {}
        out_of: dict[str, Handover] = {}
        for handover in handovers:
            into.setdefault(handover.new, handover)
            out_of.setdefault(handover.old, handover)
        chain: list[Handover] = []
        key, seen = trusted, {trusted}
        while (found := into.get(key)) and found.old not in seen:
            chain.insert(0, found)
            key = found.old
            seen.add(key)
        key = trusted
        while (found := out_of.get(key)) and found.new not in seen:
            chain.append(found)
            key = found.new
            seen.add(key)
        self.trusted = trusted
        #: From the first key to the last.
        self.handovers = tuple(chain)
        sizes = [handover.size for handover in chain]
        lines = [chain[0].old, *(handover.new for handover in chain)] if chain else [trusted]
        #: From the first key to the one in use.
        self.keys = tuple(
            KeyRange(line, first, last)
            for line, first, last in zip(lines, [0, *sizes], [*sizes, None], strict=True)
        )

    @property
    def is_retired(self) -> bool:
        """Whether the trusted key was handed over to another one."""
        return self.keys[-1].vkey != self.trusted

    def verify_checkpoint(self, note: str) -> notes.Checkpoint:
        """Return a signed checkpoint if a key of the log signed it, for a size of its range.

        :raises NotSigned: if none did.
        :raises MalformedNote: if the note or the checkpoint is malformed.
        """
        signers = {(one.name, one.key_id) for one in notes.parse_note(note).signatures}
        refusal = notes.NotSigned("the note has no signature of this key")
        for entry in reversed(self.keys):
            key = notes.parse_vkey(entry.vkey)
            if (key.name, key.key_id) not in signers:
                continue
            checkpoint = notes.verify_checkpoint(note, entry.vkey)
            if entry.covers(checkpoint.size):
                return checkpoint
            refusal = notes.NotSigned("its key signed for other sizes of the log only")
        raise refusal
