"""Return the certificate and key that sign images, and whether they can be used now.

Without a certificate in the settings a development one is created.
"""

from __future__ import annotations

import os
from datetime import timedelta
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from django.utils import timezone

from imagegen_app import conf
from imagegen_app.imaging import signing_probe
from imagegen_app.imaging.certificates import (
    check_certificate,
    make_development_chain,
    validity,
)
from imagegen_app.imaging.content_credentials import SigningFailed, SigningIdentity

if TYPE_CHECKING:
    from datetime import datetime

    from imagegen_app.imaging.content_credentials import ContentCredentials

#: A development certificate is replaced when it is valid for no longer than this.
RENEW_DEVELOPMENT_DAYS = 30


class CertificateUnusable(Exception):
    """Nothing can be signed with the site's certificate now; jobs wait until it can be used."""


class CertificateUnreadable(CertificateUnusable):
    """The certificate or key that the settings name cannot be read."""


def require_usable_identity() -> SigningIdentity:
    """Return the site's signing identity after making sure that it can sign; cheap when repeated.

    It is judged by this host's clock, as the signing library does.

    :raises CertificateUnusable: if it cannot; the text says why and what to do.
    """
    identity = signing_identity()
    problem = signing_probe.signing_problem(identity, now=timezone.now())
    if problem:
        raise CertificateUnusable(problem)
    return identity


def unusable_reason() -> str:
    """Return why nothing can be signed now, and what to do; empty if signing works."""
    try:
        require_usable_identity()
    except CertificateUnusable as error:
        return str(error)
    return ""


def probe_time_stamp() -> ContentCredentials | None:
    """Return what a picture says that was signed with a time stamp; None if there came none.

    The authority is asked each time, and has half a minute.

    :raises CertificateUnusable: if nothing can be signed anyway.
    """
    identity = require_usable_identity()
    try:
        found = signing_probe.stamped_probe(identity)
    except SigningFailed:
        return None
    return None if found.stamped_at is None else found


def profile_problems() -> list[str]:
    """Return in what the configured certificate departs from C2PA's profile, with remedies.

    Images may be signed with it all the same.

    :raises CertificateUnreadable: if its files cannot be read.
    """
    c2pa = conf.get().c2pa
    if not (c2pa.certificate and c2pa.private_key):
        return []
    chain, key = _read(Path(c2pa.certificate)), _read(Path(c2pa.private_key))
    return check_certificate(chain, key, alg=c2pa.algorithm, now=timezone.now())


def expires_at() -> datetime | None:
    """Return when the first certificate of the configured chain expires.

    None for a development certificate, which is renewed by itself, and for unreadable files.
    """
    c2pa = conf.get().c2pa
    if not (c2pa.certificate and c2pa.private_key):
        return None
    try:
        period = validity(_read(Path(c2pa.certificate)))
    except CertificateUnreadable:
        return None
    return None if period is None else period[1]


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


def trust_anchors() -> str:
    """Return the certificates that this site trusts when it reads files, as PEM.

    Empty without any, and if their file cannot be read.
    """
    path = conf.get().c2pa.trust_anchors
    try:
        return _read(Path(path)) if path else ""
    except CertificateUnreadable:
        return ""


def development_identity(organization: str) -> tuple[str, str]:
    """Return the development certificate chain and key, created on first use and before they expire.

    :raises CertificateUnreadable: if the state folder cannot be read or written.
    """
    folder = conf.state_dir()
    path = folder / "development-signing.pem"
    try:
        if not path.exists():
            _create_development_identity(path, organization)
        chain, key = _split(_read(path))
        period = validity(chain)
        soon = timezone.now() + timedelta(days=RENEW_DEVELOPMENT_DAYS)
        if period is None or period[1] < soon:
            _create_development_identity(path, organization, replaces=True)
            chain, key = _split(_read(path))
    except OSError as error:
        raise CertificateUnreadable(
            f"The development certificate cannot be stored ({type(error).__name__}): let the "
            "workers write to the state folder."
        ) from None
    return chain, key


def _create_development_identity(path: Path, organization: str, *, replaces: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    chain, key = make_development_chain(organization)
    # Two threads of one process may both get here: each writes a file of its own.
    partial = path.parent / f"development-signing.{uuid4().hex}.partial"
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key + chain)
    if replaces:
        partial.replace(path)
        return
    try:
        # The link fails if another process was first; then that process's identity is used.
        os.link(partial, path)
    except FileExistsError:
        pass
    finally:
        partial.unlink()


def _split(text: str) -> tuple[str, str]:
    """Return the certificates and the key of one file that holds the key first."""
    key, begin, chain = text.partition("-----BEGIN CERTIFICATE-----")
    return begin + chain, key


def _read(path: Path) -> str:
    try:
        found = path.stat()
        # Replaced files may have the same time, so the size and the inode count too.
        return _cached(str(path), (found.st_mtime_ns, found.st_size, found.st_ino))
    except (OSError, ValueError):
        raise CertificateUnreadable(
            f"The file {path.name} cannot be read: give the workers a PEM file that they may read."
        ) from None


@lru_cache(maxsize=8)
def _cached(path: str, _changed: tuple[int, int, int]) -> str:
    return Path(path).read_text("ascii")


@cache
def _version() -> str:
    try:
        return version("imagegen-app")
    except PackageNotFoundError:
        return "0"
