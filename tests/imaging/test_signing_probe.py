"""Whether an identity can sign is tried, and the reason is the one that keeps it from signing."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from imagegen_app.imaging import signing_probe
from imagegen_app.imaging.certificates import make_development_chain
from imagegen_app.imaging.content_credentials import SigningIdentity
from imagegen_app.imaging.signing_probe import signing_problem

from .test_certificates import issued, key_usage, pem_of

NOW = dt.datetime.now(dt.UTC)
KEYS: dict[str, Any] = {
    "es256": ec.generate_private_key(ec.SECP256R1()),
    "es384": ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "ps256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
}


def identity(alg: str = "es256", *, key: Any = None, **changes: Any) -> SigningIdentity:
    own = KEYS[alg] if key is None else key
    return SigningIdentity(issued(own, **changes), pem_of(own), alg=alg)


@pytest.mark.parametrize("alg", KEYS)
def test_a_fitting_identity_has_no_problem(alg: str) -> None:
    assert signing_problem(identity(alg), now=NOW) == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"uses": (ExtendedKeyUsageOID.CLIENT_AUTH,)}, "emailProtection"),
        ({"uses": None}, "emailProtection"),
        ({"usage": key_usage("key_agreement")}, "digitalSignature"),
        ({"days": (-900, -1)}, "expired on"),
        ({"days": (2, 300)}, "check the clock"),
        ({"is_authority": True}, "authority"),
        ({"key": KEYS["es384"]}, "set IMAGEGEN['C2PA']['ALGORITHM'] to 'es384'"),
        ({"key": ec.generate_private_key(ec.SECP256K1())}, "does not allow"),
    ],
)
def test_the_first_reason_is_the_one_that_counts(changes: dict[str, Any], reason: str) -> None:
    assert reason in signing_problem(identity(**changes), now=NOW)


def test_what_departs_from_the_profile_only_does_not_stop_the_site() -> None:
    assert signing_problem(identity(days=(-1, 700)), now=NOW) == ""
    assert signing_problem(identity(with_root=False), now=NOW) == ""


def test_an_issuer_that_expired_is_named() -> None:
    chain, key = make_development_chain("Shop", days=3)
    later = NOW + dt.timedelta(days=4000)

    assert "expired on" in signing_problem(SigningIdentity(chain, key), now=later)


def test_trust_anchors_that_cannot_be_read_are_named() -> None:
    chain, key = make_development_chain("Shop")

    problem = signing_problem(SigningIdentity(chain, key, trust_anchors="nothing"), now=NOW)

    assert "TRUST_ANCHORS" in problem


def test_the_same_identity_is_tried_once_a_minute() -> None:
    chain, key = make_development_chain("Shop")
    tried_before = signing_probe._can_sign.cache_info().misses
    start = NOW.replace(second=0)

    for second in (0, 1, 59, 60, 61):
        signing_problem(SigningIdentity(chain, key), now=start + dt.timedelta(seconds=second))

    assert signing_probe._can_sign.cache_info().misses - tried_before == 2
