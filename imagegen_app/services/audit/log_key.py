"""Keep the key that signs checkpoints; make one where the site names none."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from imagegen_app import conf
from imagegen_app.core import notes

if TYPE_CHECKING:
    from collections.abc import Callable

FILE_NAME = "audit-signing-key.pem"


class KeyUnreadable(Exception):
    """The file that should hold the log's key is absent, closed to us, or holds another key."""


def private_key() -> Ed25519PrivateKey:
    """Return the key that signs checkpoints.

    :raises KeyUnreadable: if the file does not hold an Ed25519 key, or cannot be read.
    """
    chosen = conf.get().audit.signing_key
    path = Path(chosen) if chosen else _own_file()
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError:
        raise KeyUnreadable(f"The log's key {path} cannot be read.") from None
    except (TypeError, ValueError, UnsupportedAlgorithm):
        raise KeyUnreadable(f"{path} is not a private key in PEM without a password.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnreadable(f"The key in {path} is not of the kind Ed25519.")
    return key


def vkey() -> str:
    """Return the line that tells an auditor which key to trust.

    :raises KeyUnreadable: if the key cannot be read.
    """
    public = private_key().public_key().public_bytes_raw()
    return notes.vkey(conf.get().audit.origin, public)


def _own_file() -> Path:
    """Return the key file in the state folder, made on first use."""
    path = conf.state_dir() / FILE_NAME
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # A link fails where another process was first; then its key counts.
            _write(path, pem, mode=0o600, settle=os.link)
        except FileExistsError:
            return path
        except OSError:
            raise KeyUnreadable(f"The log's key {path} cannot be created.") from None
    return path


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that readers see the old one or the new one, never a part.

    :raises OSError: if it cannot be written.
    """
    _write(path, data, mode=0o644, settle=os.replace)


def _write(path: Path, data: bytes, *, mode: int, settle: Callable[[Path, Path], None]) -> None:
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        settle(partial, path)
    finally:
        partial.unlink(missing_ok=True)
