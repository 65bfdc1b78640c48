"""The Ed25519 key that signs checkpoints; created before the first one if the site configures none."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from imagegen_app import conf
from imagegen_app.core import log_keys, notes
from imagegen_app.models import Checkpoint, LogKeyHandover
from imagegen_app.services.gateways import whole_files

FILE_NAME = "audit-signing-key.pem"
#: The new key while it replaces the other one.
NEXT_FILE_NAME = "audit-signing-key.next.pem"
_CHECKPOINTS_LOOKED_AT = 10


class KeyUnreadable(Exception):
    """The log's key file is missing, not readable, or not an Ed25519 private key."""


class KeyOnOtherHost(KeyUnreadable):
    """The log was signed before, by a key that this host's state folder does not hold."""


class KeyRetired(KeyUnreadable):
    """The log's key was replaced by another one, and signs no more."""


def private_key() -> Ed25519PrivateKey:
    """Return the key that signs checkpoints.

    :raises KeyUnreadable: if the file does not hold an Ed25519 key, or cannot be read.
    """
    configured = conf.get().audit.signing_key
    if configured:
        return read_key(Path(configured))
    # A second key would make a log that is whole look altered.
    if not (conf.state_dir() / FILE_NAME).exists() and _is_signed_already():
        raise KeyOnOtherHost(
            f"The log is signed already, by a key that is not in {conf.state_dir()}. Copy "
            f"{FILE_NAME} from the host that has it, and name it in "
            "IMAGEGEN['AUDIT']['SIGNING_KEY']. Only if it is lost for good, name a new one there: what "
            "the old one signed is then reported."
        )
    return read_key(_created(FILE_NAME))


def read_key(path: Path) -> Ed25519PrivateKey:
    """Return the key in a PEM file.

    :raises KeyUnreadable: if the file does not hold an Ed25519 key, or cannot be read.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError:
        raise KeyUnreadable(f"The log's key {path} cannot be read.") from None
    except (TypeError, ValueError, UnsupportedAlgorithm):
        raise KeyUnreadable(f"{path} is not a private key in PEM without a password.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnreadable(f"The key in {path} is not of the kind Ed25519.")
    return key


def vkey_of(key: Ed25519PrivateKey) -> str:
    """Return the public key of a key as a C2SP verifier key line."""
    return notes.vkey(conf.get().audit.origin, key.public_key().public_bytes_raw())


def vkey() -> str:
    """Return the public key as a C2SP verifier key line, for auditors.

    :raises KeyUnreadable: if the key cannot be read.
    """
    return vkey_of(private_key())


def ring() -> log_keys.KeyRing:
    """Return the log's keys, with those that were replaced.

    A stored handover that both keys did not sign counts for nothing: what the retired key signed is
    then reported as not signed.

    :raises KeyUnreadable: if the key cannot be read.
    """
    handovers = []
    for note in LogKeyHandover.objects.order_by("pk").values_list("note", flat=True):
        with suppress(notes.NoteError):
            handovers.append(log_keys.read_handover(note))
    return log_keys.KeyRing(vkey(), handovers)


def signing_key() -> Ed25519PrivateKey:
    """Return the key for a new checkpoint; finish a replacement that was cut short.

    :raises KeyRetired: if the key was replaced and the site's settings still name it.
    :raises KeyUnreadable: if it cannot be read.
    """
    keys = ring()
    if keys.is_retired:
        if conf.get().audit.signing_key or not _is_next(keys.keys[-1].vkey):
            raise KeyRetired(
                "The log's key was replaced. Name the new one in IMAGEGEN['AUDIT']['SIGNING_KEY']."
            )
        use_next_key()
    return private_key()


def next_key() -> Ed25519PrivateKey:
    """Return the key that will replace the one in the state folder, created on first use.

    :raises KeyUnreadable: if it cannot be read or created.
    """
    return read_key(_created(NEXT_FILE_NAME))


def use_next_key() -> None:
    """Put the next key in the place of the key in the state folder, which is thereby deleted.

    :raises KeyUnreadable: if that fails.
    """
    folder = conf.state_dir()
    try:
        (folder / NEXT_FILE_NAME).replace(folder / FILE_NAME)
    except OSError as error:
        reason = error.strerror
        raise KeyUnreadable(f"The log's key cannot be replaced in {folder}: {reason}.") from None


def _is_signed_already() -> bool:
    """Return whether the log has a checkpoint with a signature; whoever writes rows can make none."""
    newest = Checkpoint.objects.order_by("-size", "-pk").values_list("note", flat=True)
    for note in newest[:_CHECKPOINTS_LOOKED_AT]:
        with suppress(notes.NoteError):
            if notes.parse_note(note).signatures:
                return True
    return False


def _is_next(line: str) -> bool:
    path = conf.state_dir() / NEXT_FILE_NAME
    return path.exists() and vkey_of(read_key(path)) == line


def _created(name: str) -> Path:
    """Return a key file in the state folder, created on first use."""
    path = conf.state_dir() / name
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            whole_files.write_new(path, pem, mode=0o600)
        except FileExistsError:
            # Another process was first; its key is used.
            return path
        except OSError:
            raise KeyUnreadable(f"The log's key {path} cannot be created.") from None
    return path
