from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from imagegen_app.imaging.certificates import (
    CLAIM_SIGNING,
    check_certificate,
    is_development,
    make_development_chain,
    without_root,
)

PEM = serialization.Encoding.PEM
NOW = dt.datetime.now(dt.UTC)
EMAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION
USES = [
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
]


def key_usage(*names: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in names for name in USES})


def issued(
    key: Any,
    *,
    uses: tuple[x509.ObjectIdentifier, ...] | None = (EMAIL, CLAIM_SIGNING),
    usage: x509.KeyUsage | None = None,
    is_usage_critical: bool = True,
    is_authority: bool = False,
    has_identifiers: bool = True,
    days: tuple[int, int] = (-1, 300),
    is_self_signed: bool = False,
    with_root: bool = True,
) -> str:
    """Issue a chain with one thing changed."""
    root_key = ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root")])
    leaf_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Leaf")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())

    def begin(subject: x509.Name, issuer: x509.Name, public: Any) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
        builder = builder.public_key(public).serial_number(x509.random_serial_number())
        start, end = (NOW + dt.timedelta(days=day) for day in days)
        return builder.not_valid_before(start).not_valid_after(end)

    root = (
        begin(root_name, root_name, root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    issuer = leaf_name if is_self_signed else root_name
    leaf = begin(leaf_name, issuer, key.public_key()).add_extension(
        x509.BasicConstraints(ca=is_authority, path_length=None), critical=True
    )
    leaf = leaf.add_extension(usage or key_usage("digital_signature"), critical=is_usage_critical)
    if uses is not None:
        leaf = leaf.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    if has_identifiers:
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        above = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
        leaf = leaf.add_extension(own, critical=False).add_extension(above, critical=False)
    signed = leaf.sign(key if is_self_signed else root_key, hashes.SHA256())
    chain = [signed, root] if with_root else [signed]
    return "".join(certificate.public_bytes(PEM).decode() for certificate in chain)


def pem_of(key: Any) -> str:
    return str(
        key.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
    )


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def test_the_development_chain_has_no_problem_and_names_its_purpose() -> None:
    chain, key_pem = make_development_chain("Ein sehr langer Name für eine Organisation " * 4)

    assert check_certificate(chain, key_pem) == []
    assert is_development(chain)
    for certificate in x509.load_pem_x509_certificates(chain.encode()):
        values = [str(attribute.value) for attribute in certificate.subject]
        assert sum("DEVELOPMENT ONLY" in value for value in values) == 2


@pytest.mark.parametrize("make", [ec.SECP384R1, ec.SECP521R1, "ed25519"])
def test_other_allowed_keys_have_no_problem(make: Any) -> None:
    other: Any = (
        ed25519.Ed25519PrivateKey.generate()
        if make == "ed25519"
        else ec.generate_private_key(make())
    )

    chain = issued(other)

    assert check_certificate(chain, pem_of(other)) == []
    assert not is_development(chain)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"uses": None}, "lacks emailProtection"),
        ({"uses": (CLAIM_SIGNING,)}, "lacks emailProtection"),
        ({"uses": (ExtendedKeyUsageOID.SERVER_AUTH,)}, "lacks emailProtection"),
        ({"uses": (EMAIL, ExtendedKeyUsageOID.TIME_STAMPING)}, "timeStamping"),
        ({"uses": (EMAIL, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)}, "anyExtendedKeyUsage"),
        ({"usage": key_usage("key_encipherment")}, "lacks digitalSignature"),
        ({"is_usage_critical": False}, "not critical"),
        ({"is_authority": True}, "is an authority"),
        ({"has_identifiers": False}, "authority key identifier is missing"),
        ({"has_identifiers": False}, "subject key identifier is missing"),
        ({"days": (-400, -1)}, "expired"),
        ({"days": (2, 200)}, "valid only from"),
        ({"days": (-1, 800)}, "more than 366 days"),
        ({"is_self_signed": True}, "self-signed"),
        ({"with_root": False}, "only one certificate"),
    ],
)
def test_each_problem_is_named_with_its_remedy(
    changes: dict[str, Any], words: str, key: ec.EllipticCurvePrivateKey
) -> None:
    problems = check_certificate(issued(key, **changes), pem_of(key))

    assert [problem for problem in problems if words in problem]
    assert all(":" in problem and problem.endswith(".") for problem in problems)


def test_a_wrong_order_is_named(key: ec.EllipticCurvePrivateKey) -> None:
    leaf, root = issued(key).split("-----END CERTIFICATE-----\n")[:2]
    end = "-----END CERTIFICATE-----\n"

    problems = check_certificate(root + end + leaf + end, pem_of(key))

    assert [problem for problem in problems if "order them" in problem]


def test_a_key_of_another_certificate_is_named(key: ec.EllipticCurvePrivateKey) -> None:
    other = ec.generate_private_key(ec.SECP256R1())

    (problem,) = check_certificate(issued(key), pem_of(other))

    assert "does not belong" in problem


def test_a_weak_key_is_named() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - the point

    problems = check_certificate(issued(weak), pem_of(weak))

    assert [problem for problem in problems if "kind or size" in problem]


@pytest.mark.parametrize("chain", ["", "not PEM", "-----BEGIN CERTIFICATE-----\nAA\n-----END"])
def test_an_unreadable_certificate_is_named(chain: str) -> None:
    (problem,) = check_certificate(chain, "")

    assert "not readable" in problem
    assert not is_development(chain)


def test_an_unreadable_key_is_named_and_not_shown(key: ec.EllipticCurvePrivateKey) -> None:
    (problem,) = check_certificate(issued(key), "-----BEGIN PRIVATE KEY-----secret")

    assert "private key is not readable" in problem
    assert "secret" not in problem


def test_the_root_stays_out_of_what_is_signed_with() -> None:
    chain, _key = make_development_chain("Beispiel GmbH")
    leaf, root = (f"-----BEGIN{part}" for part in chain.split("-----BEGIN")[1:])

    assert without_root(chain) == without_root(leaf) == leaf
    assert without_root(root) == root
    assert without_root("no certificate") == "no certificate"
