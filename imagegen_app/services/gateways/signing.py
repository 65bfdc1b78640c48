"""Return the certificate and key that sign images; create a development one if none is set."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from uuid import uuid4

from imagegen_app import conf
from imagegen_app.imaging.certificates import make_development_chain
from imagegen_app.imaging.content_credentials import SigningIdentity


class CertificateUnreadable(Exception):
    """The certificate or key that the settings name cannot be read."""


def signing_identity() -> SigningIdentity:
    """Return the site's signing identity.

    :raises CertificateUnreadable: if the files that the settings name cannot be read.
    """
    c2pa = conf.get().c2pa
    if c2pa.certificate and c2pa.private_key:
        chain, key = _read(Path(c2pa.certificate)), _read(Path(c2pa.private_key))
    else:
        chain, key = development_identity(c2pa.organization)
    anchors = _read(Path(c2pa.trust_anchors)) if c2pa.trust_anchors else ""
    return SigningIdentity(
        chain_pem=chain,
        key_pem=key,
        alg=c2pa.algorithm,
        tsa_url=c2pa.tsa_url,
        trust_anchors=anchors,
        generator_name="imagegen_app",
        generator_version=_version(),
    )


def development_identity(organization: str) -> tuple[str, str]:
    """Return the development certificate chain and key; on first use they are created."""
    folder = conf.state_dir()
    path = folder / "development-signing.pem"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        chain, key = make_development_chain(organization)
        # Two threads of one process may both get here: each writes a file of its own.
        partial = folder / f"development-signing.{uuid4().hex}.partial"
        descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(key + chain)
        try:
            # The link fails if another process was first; then that process's identity is used.
            os.link(partial, path)
        except FileExistsError:
            pass
        finally:
            partial.unlink()
    text = _read(path)
    cut = text.index("-----BEGIN CERTIFICATE-----")
    return text[cut:], text[:cut]


def _read(path: Path) -> str:
    try:
        return _cached(str(path), path.stat().st_mtime_ns)
    except OSError:
        raise CertificateUnreadable(f"{path.name} cannot be read") from None


@lru_cache(maxsize=8)
def _cached(path: str, _changed: int) -> str:
    return Path(path).read_text("ascii")


def _version() -> str:
    try:
        return version("imagegen-app")
    except PackageNotFoundError:
        return "0"
