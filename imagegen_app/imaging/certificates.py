"""Create a development certificate, and check a certificate against the C2PA profile.

The signing library refuses an unsuitable certificate without naming the problem; the check names
each problem with its remedy.
"""

from __future__ import annotations

import datetime as dt
import itertools
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID, ObjectIdentifier

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

#: The C2PA key usage for signing claims.
CLAIM_SIGNING = ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
#: Part of the names in a development certificate, which proves nothing to others.
DEVELOPMENT_ONLY = "DEVELOPMENT ONLY"

_MAX_DAYS = 366
_MIN_RSA = 2048
_MIN_CHAIN = 2
_ALGORITHMS_BY_CURVE = {
    "secp256r1": ("es256",),
    "secp384r1": ("es384",),
    "secp521r1": ("es512",),
}
_KEY_USES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def make_development_chain(organization: str, *, days: float = 365) -> tuple[str, str]:
    """Return a certificate chain (leaf first) and the leaf's private key, both as PEM.

    The names in the certificates contain `DEVELOPMENT_ONLY`. The leaf expires after `days`; with a
    negative number it has expired.
    """
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name = _name(organization, "root")
    identifier = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
    root = (
        _certificate(root_name, root_name, root_key.public_key(), days=3650)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(identifier, critical=False)
        .sign(root_key, hashes.SHA256())
    )
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    uses = [ExtendedKeyUsageOID.EMAIL_PROTECTION, CLAIM_SIGNING]
    leaf = (
        _certificate(_name(organization, "signer"), root_name, key.public_key(), days=days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage("digital_signature", "content_commitment"), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issuer, critical=False)
        .sign(root_key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem = serialization.Encoding.PEM
    return (leaf.public_bytes(pem) + root.public_bytes(pem)).decode(), key_pem.decode()


def is_development(chain_pem: str) -> bool:
    """Return whether the chain's first certificate was made by `make_development_chain`."""
    try:
        leaf = x509.load_pem_x509_certificates(chain_pem.encode())[0]
    except ValueError:
        return False
    return any(DEVELOPMENT_ONLY in str(attribute.value) for attribute in leaf.subject)


@lru_cache(maxsize=8)
def validity(chain_pem: str) -> tuple[dt.datetime, dt.datetime] | None:
    """Return from when until when all certificates of the chain are valid; None if unreadable."""
    try:
        chain = x509.load_pem_x509_certificates(chain_pem.encode())
    except ValueError:
        return None
    return (
        max(one.not_valid_before_utc for one in chain),
        min(one.not_valid_after_utc for one in chain),
    )


def without_root(chain_pem: str) -> str:
    """Return a chain without the root at its end, which readers must know from elsewhere.

    It would be in every file, and twice in a rendition. An unreadable chain is returned as it is.
    """
    try:
        chain = x509.load_pem_x509_certificates(chain_pem.encode())
    except ValueError:
        return chain_pem
    while len(chain) > 1 and chain[-1].issuer == chain[-1].subject:
        chain.pop()
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in chain)


def check_certificate(
    chain_pem: str, key_pem: str, *, alg: str = "", now: dt.datetime | None = None
) -> list[str]:
    """Return the problems of a certificate chain and its key, each with a remedy; [] if none.

    What keeps the certificate from being used at all comes first. `alg` is the signing algorithm
    in the settings; empty for any that suits the key.
    """
    now = now or dt.datetime.now(dt.UTC)
    try:
        chain = x509.load_pem_x509_certificates(chain_pem.encode())
    except ValueError:
        return ["The chain is not readable: give PEM certificates, the signer's own first."]
    leaf = chain[0]
    problems = [
        *_chain_errors(chain),
        *_key_errors(leaf, key_pem),
        *_algorithm_errors(leaf, alg),
        *_time_errors(chain, now),
    ]
    if leaf.version is not x509.Version.v3:
        problems.append("The certificate is not X.509 version 3: have it issued as version 3.")
    try:
        problems += _extension_errors(leaf.extensions)
    except (ValueError, x509.DuplicateExtension):
        problems.append("The certificate's extensions are not readable: have it issued again.")
    if leaf.not_valid_after_utc - leaf.not_valid_before_utc > dt.timedelta(days=_MAX_DAYS):
        problems.append(
            f"The certificate is valid for more than {_MAX_DAYS} days, which the C2PA programme "
            "does not allow: have it issued for a year."
        )
    return problems


def _chain_errors(chain: list[x509.Certificate]) -> list[str]:
    problems = []
    leaf = chain[0]
    if leaf.issuer == leaf.subject:
        problems.append(
            "The first certificate is self-signed: put the signer's own certificate first, issued "
            "by another one."
        )
    elif len(chain) < _MIN_CHAIN:
        problems.append(
            "The chain holds only one certificate: append the issuing certificates after it."
        )
    for below, above in itertools.pairwise(chain):
        try:
            below.verify_directly_issued_by(above)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            problems.append(
                "A certificate of the chain is not signed by the one after it: order them from "
                "the signer to the root."
            )
            break
    return problems


def _key_errors(leaf: x509.Certificate, key_pem: str) -> list[str]:
    problems = []
    public = leaf.public_key()
    if not _is_allowed(public):
        problems.append(
            "The certificate's key is of a kind or size that C2PA does not allow: use P-256, "
            "P-384, P-521, Ed25519, or RSA with at least 2048 bits."
        )
    try:
        key = serialization.load_pem_private_key(key_pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return [*problems, "The private key is not readable: give it as PEM (PKCS 8), unencrypted."]
    if _raw(key.public_key()) != _raw(public):
        problems.append(
            "The private key does not belong to the first certificate: give the key that the "
            "certificate was requested with, and put that certificate first."
        )
    return problems


def _algorithm_errors(leaf: x509.Certificate, alg: str) -> list[str]:
    public = leaf.public_key()
    fitting: tuple[str, ...] = ()
    if isinstance(public, ec.EllipticCurvePublicKey):
        # The curve decides in the signing library, and in the specification for new claims.
        fitting = _ALGORITHMS_BY_CURVE.get(public.curve.name, ())
    elif isinstance(public, rsa.RSAPublicKey):
        fitting = ("ps256", "ps384", "ps512")
    elif isinstance(public, ed25519.Ed25519PublicKey):
        fitting = ("ed25519",)
    if not alg or not fitting or alg.lower() in fitting:
        return []
    problem = (
        f"The algorithm {alg} does not suit the certificate's key: set "
        f"IMAGEGEN['C2PA']['ALGORITHM'] to {fitting[0]!r}, or have a certificate issued for "
        "another key."
    )
    return [problem]


def _time_errors(chain: list[x509.Certificate], now: dt.datetime) -> list[str]:
    problems = []
    leaf = chain[0]
    start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if now < start:
        problems.append(f"The certificate is valid only from {start:%Y-%m-%d}: check the clock.")
    if now > end:
        problems.append(f"The certificate expired on {end:%Y-%m-%d}: have it renewed.")
    problems += [
        f"An issuing certificate of the chain is valid only from {one.not_valid_before_utc:%Y-%m-%d} "
        f"to {one.not_valid_after_utc:%Y-%m-%d}: append the issuer's present certificate."
        for one in chain[1:]
        if not one.not_valid_before_utc <= now <= one.not_valid_after_utc
    ]
    return problems


def _extension_errors(extensions: x509.Extensions) -> list[str]:
    problems = []
    present = {extension.oid: extension for extension in extensions}
    usage = present.get(ExtensionOID.KEY_USAGE)
    if usage is None or not getattr(usage.value, "digital_signature", False):
        problems.append("Key usage lacks digitalSignature: have the certificate issued with it.")
    elif not usage.critical:
        problems.append("Key usage is not critical: have the certificate issued with it critical.")
    extended = present.get(ExtensionOID.EXTENDED_KEY_USAGE)
    uses = set(extended.value) if extended and _is_uses(extended.value) else set()
    if ExtendedKeyUsageOID.EMAIL_PROTECTION not in uses:
        problems.append(
            "Extended key usage lacks emailProtection: without it readers with default settings "
            "report the signature as invalid; have it added in addition to claimSigning."
        )
    forbidden = {
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage",
        ExtendedKeyUsageOID.TIME_STAMPING: "timeStamping",
        ExtendedKeyUsageOID.OCSP_SIGNING: "OCSPSigning",
    }
    problems += [
        f"Extended key usage contains {name}, which C2PA forbids: have it left out."
        for oid, name in forbidden.items()
        if oid in uses
    ]
    basic = present.get(ExtensionOID.BASIC_CONSTRAINTS)
    if basic is not None and getattr(basic.value, "ca", False):
        problems.append("The first certificate is an authority: sign with an end certificate.")
    if ExtensionOID.AUTHORITY_KEY_IDENTIFIER not in present:
        problems.append("The authority key identifier is missing: have it added.")
    if ExtensionOID.SUBJECT_KEY_IDENTIFIER not in present:
        problems.append("The subject key identifier is missing: have it added.")
    return problems


def _is_uses(value: x509.ExtensionType) -> bool:
    return isinstance(value, x509.ExtendedKeyUsage)


def _is_allowed(key: PublicKeyTypes) -> bool:
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= _MIN_RSA
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(key.curve, (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1))
    return isinstance(key, ed25519.Ed25519PublicKey)


def _raw(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _name(organization: str, role: str) -> x509.Name:
    # X.509 limits the organisation and the common name to 64 characters.
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "ZZ"),
            x509.NameAttribute(
                NameOID.ORGANIZATION_NAME, f"{DEVELOPMENT_ONLY} {organization}"[:64].strip()
            ),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{DEVELOPMENT_ONLY} imagegen {role}"),
        ]
    )


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, days: float
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # An hour ago, since the clocks of other machines may be late.
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _key_usage(*uses: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in uses for name in _KEY_USES})
