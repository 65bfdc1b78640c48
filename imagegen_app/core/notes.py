"""Sign and read statements about the log, in the C2SP formats `signed-note` and `tlog-checkpoint`.

A checkpoint is three lines of text (origin, size, root), an empty line, and a signature line
for each key. Other tools for these formats can read it. See https://c2sp.org/signed-note and
https://c2sp.org/tlog-checkpoint.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from imagegen_app.core.canonical import format_timestamp
from imagegen_app.core.translog import HASH_BYTES, MAX_SIZE

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

#: A longer note is not read.
MAX_NOTE_CHARS: Final = 64 * 1024
MAX_SIGNATURES: Final = 100
_MAX_NAME_CHARS: Final = 200

_ED25519: Final = b"\x01"
_KEY_ID_BYTES: Final = 4
_ED25519_KEY_BYTES: Final = 32
_CHECKPOINT_LINES: Final = 3
_SIGNED_AT: Final = "signed-at "
_MARK: Final = "\u2014 "
_NAME = re.compile(r"[^\s+\x00-\x1f\x7f\ud800-\udfff]+\Z")
_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})\Z")
_KEY_ID = re.compile(r"[0-9a-f]{8}\Z")
_UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


class NoteError(ValueError):
    """A note, checkpoint or key line cannot be read or is not signed as required."""


class MalformedNote(NoteError):
    """The text does not have the required format."""


class NotSigned(NoteError):
    """The note has no signature by this key, or an invalid one."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line of a note."""

    #: Name of the key.
    name: str
    key_id: bytes
    #: The signature itself.
    data: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text and the signatures below it."""

    #: The signed text, including its last line feed.
    text: str
    signatures: tuple[Signature, ...] = ()


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key and the name under which it signs."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes by which a signature line identifies its key."""
        return key_id(self.name, self.public_key)

    def __str__(self) -> str:
        """Return the `vkey` line: the verifier key in the form that auditors get."""
        key = base64.b64encode(_ED25519 + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's name, size and root hash at one moment."""

    origin: str
    size: int
    root: bytes
    #: Further lines that the format allows; passed through, not interpreted.
    extensions: tuple[str, ...] = ()

    @property
    def signed_at(self) -> str:
        """When it was signed, by the clock of the log's database; empty if it does not say so."""
        lines = [one for one in self.extensions if one.startswith(_SIGNED_AT)]
        return lines[0].removeprefix(_SIGNED_AT) if lines else ""

    def text(self) -> str:
        """Return the text that is signed.

        :raises MalformedNote: if a part does not match the format.
        """
        root = base64.b64encode(self.root).decode()
        text = "".join(f"{line}\n" for line in (self.origin, self.size, root, *self.extensions))
        if parse_checkpoint(text) != self:
            raise MalformedNote("the checkpoint's parts do not match its format")
        return text


def key_id(name: str, public_key: bytes) -> bytes:
    """Return the id of an Ed25519 key under a name."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:_KEY_ID_BYTES]


def vkey(name: str, public_key: bytes) -> str:
    """Return the verifier key as text, so that an auditor can check our signatures with it.

    :raises MalformedNote: if the name or the key does not match the format.
    """
    return str(_verifier_key(name, public_key))


def parse_vkey(line: str) -> VerifierKey:
    """Read a `vkey` line.

    :raises MalformedNote: if it is malformed, is not Ed25519, or its id belongs to another key.
    """
    # Base64 may contain a plus, names may not: so the first two plus signs are the separators.
    name, _, rest = line.strip().partition("+")
    hex_id, _, encoded = rest.partition("+")
    data = _base64(encoded)
    if not _KEY_ID.match(hex_id) or not data.startswith(_ED25519):
        raise MalformedNote("this is not a valid Ed25519 verifier key")
    key = _verifier_key(name, data[1:])
    if key.key_id.hex() != hex_id:
        raise MalformedNote("the verifier key's id belongs to another key")
    return key


def sign_note(text: str, *, name: str, private_key: Ed25519PrivateKey) -> str:
    """Return the text with a signature line below it.

    :raises MalformedNote: if the text does not end with a line feed, or the name is not valid.
    """
    return f"{text}\n{signature_line(text, name=name, private_key=private_key)}"


def signature_line(text: str, *, name: str, private_key: Ed25519PrivateKey) -> str:
    """Return the line that signs a text, to stand below it; a note may have several.

    :raises MalformedNote: if the text does not end with a line feed, or the name is not valid.
    """
    _check_text(text)
    key = _verifier_key(name, private_key.public_key().public_bytes_raw())
    signature = base64.b64encode(key.key_id + private_key.sign(text.encode())).decode()
    return f"{_MARK}{name} {signature}\n"


def time_line(at: datetime) -> str:
    """Return the line of a checkpoint that says when it was signed."""
    return f"{_SIGNED_AT}{format_timestamp(at)}"


def sign_checkpoint(
    *,
    origin: str,
    size: int,
    root: bytes,
    private_key: Ed25519PrivateKey,
    at: datetime | None = None,
) -> str:
    """Return a signed checkpoint; its origin is also the name of the key.

    With `at`, it also says when it was signed.

    :raises MalformedNote: if a part does not match the format.
    """
    extensions = () if at is None else (time_line(at),)
    text = Checkpoint(origin, size, root, extensions).text()
    return sign_note(text, name=origin, private_key=private_key)


def parse_note(note: str) -> Note:
    """Split a note into text and signatures, without verifying them.

    :raises MalformedNote: if it is not a valid note.
    """
    if len(note) > MAX_NOTE_CHARS:
        raise MalformedNote(f"a note has at most {MAX_NOTE_CHARS} characters")
    body, separator, rest = note.rpartition("\n\n")
    text = body + "\n"
    if not separator or not rest.endswith("\n"):
        raise MalformedNote("a note must be a text, an empty line and signature lines")
    _check_text(text)
    lines = rest[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise MalformedNote(f"a note has at most {MAX_SIGNATURES} signatures")
    return Note(text, tuple(_signature(line) for line in lines))


def verify_note(note: str, vkey: str) -> Note:
    """Return the note if this key signed it; signatures by other keys are ignored.

    :raises NotSigned: if it did not.
    :raises MalformedNote: if the note or the key line is malformed.
    """
    key, parsed = parse_vkey(vkey), parse_note(note)
    matching = [
        signature
        for signature in parsed.signatures
        if signature.name == key.name and hmac.compare_digest(signature.key_id, key.key_id)
    ]
    if not matching:
        raise NotSigned("the note has no signature of this key")
    public_key = Ed25519PublicKey.from_public_bytes(key.public_key)
    for signature in matching:
        try:
            public_key.verify(signature.data, parsed.text.encode())
        except InvalidSignature:
            raise NotSigned("the signature does not match the text") from None
    return parsed


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a checkpoint's text, without its signatures.

    :raises MalformedNote: if it is not a valid checkpoint.
    """
    _check_text(text)
    lines = text[:-1].split("\n")
    if len(lines) < _CHECKPOINT_LINES or not all(lines):
        raise MalformedNote("a checkpoint must have an origin, a size and a root")
    origin, size, encoded, *extensions = lines
    if not _SIZE.match(size) or int(size) > MAX_SIZE:
        raise MalformedNote("the checkpoint's size is not a valid whole number")
    root = _base64(encoded)
    if len(root) != HASH_BYTES:
        raise MalformedNote("the checkpoint's root is not a valid hash")
    return Checkpoint(origin, int(size), root, tuple(extensions))


def verify_checkpoint(note: str, vkey: str) -> Checkpoint:
    """Return a signed checkpoint if the key that belongs to its log signed it.

    :raises NotSigned: if the key did not sign it, or is the key of another log.
    :raises MalformedNote: if the note, the checkpoint or the key line is malformed.
    """
    checkpoint = parse_checkpoint(verify_note(note, vkey).text)
    if checkpoint.origin != parse_vkey(vkey).name:
        raise NotSigned("the checkpoint belongs to another log than the key")
    return checkpoint


def _check_text(text: str) -> None:
    if not text.endswith("\n") or _UNPRINTABLE.search(text):
        raise MalformedNote("a note's text must be whole lines without control characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MalformedNote("a note's text must be UTF-8") from None


def _verifier_key(name: str, public_key: bytes) -> VerifierKey:
    if len(name) > _MAX_NAME_CHARS or not _NAME.match(name):
        raise MalformedNote("a key's name must have no spaces and no plus")
    if len(public_key) != _ED25519_KEY_BYTES:
        raise MalformedNote("an Ed25519 key must have 32 bytes")
    return VerifierKey(name, public_key)


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_MARK).partition(" ")
    if not line.startswith(_MARK) or not _NAME.match(name):
        raise MalformedNote("a signature line is a dash, a name and base64")
    data = _base64(encoded)
    if len(data) <= _KEY_ID_BYTES:
        raise MalformedNote("a signature line is a dash, a name and base64")
    return Signature(name, data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:])


def _base64(text: str) -> bytes:
    """Decode base64, and refuse every form except the canonical one."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedNote("base64 is not valid") from None
    if base64.b64encode(data).decode() != text:
        raise MalformedNote("base64 is not in its canonical form")
    return data
