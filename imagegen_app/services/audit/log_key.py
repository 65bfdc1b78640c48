"""The Ed25519 key that signs checkpoints; created on first use if the site configures none."""

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
    """The log's key file is missing, not readable, or not an Ed25519 private key."""


def private_key() -> Ed25519PrivateKey:
    """Return the key that signs checkpoints.

    :raises KeyUnreadable: if the file does not hold an Ed25519 key, or cannot be read.
    """
    configured = conf.get().audit.signing_key
    path = Path(configured) if configured else _default_file()
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
    """Return the public key as a C2SP verifier key line, for auditors.

    :raises KeyUnreadable: if the key cannot be read.
    """
    public = private_key().public_key().public_bytes_raw()
    return notes.vkey(conf.get().audit.origin, public)


def _default_file() -> Path:
    """Return the key file in the state folder, created on first use."""
    path = conf.state_dir() / FILE_NAME
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Linking fails if another process was first; then its key is used.
            _write(path, pem, mode=0o600, finish=os.link)
        except FileExistsError:
            return path
        except OSError:
            raise KeyUnreadable(f"The log's key {path} cannot be created.") from None
    return path


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that readers see the old content or the new, never a part.

    :raises OSError: if it cannot be written.
    """
    _write(path, data, mode=0o644, finish=os.replace)


def _write(path: Path, data: bytes, *, mode: int, finish: Callable[[Path, Path], None]) -> None:
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        finish(partial, path)
    finally:
        partial.unlink(missing_ok=True)
