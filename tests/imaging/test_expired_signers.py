"""A file is not changed by the time that passes: an expired signer is no tampering."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from imagegen_app.core.types import Operation
from imagegen_app.imaging.certificates import make_development_chain, validity
from imagegen_app.imaging.content_credentials import (
    Parent,
    SigningIdentity,
    SoftwareAgent,
    read_content_credentials,
    read_ingredient_facts,
    sign,
)

from .sample_images import FORMATS, MEDIA_TYPES, encoded, picture
from .time_stamp_authority import needs_openssl, time_stamp_authority

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Long enough to sign everything below.
VALID_SECONDS = 4.0


@dataclass
class Signed:
    """Files of a signer whose certificate has expired since."""

    #: By format.
    plain: dict[str, bytes]
    stamped: bytes
    #: A rendition of a plain one.
    rendition: bytes
    signer_root: str
    authority_root: str


def root_of(chain: str) -> str:
    begin = "-----BEGIN CERTIFICATE-----"
    return begin + chain.split(begin)[2]


def signed(name: str, identity: SigningIdentity, *parents: Parent) -> bytes:
    return sign(
        encoded(picture(), name),
        MEDIA_TYPES[name],
        signing=identity,
        title="old",
        operation="rendition" if parents else Operation.GENERATE,
        digital_source_type="",
        software_agent=SoftwareAgent("gpt-image", "1.5"),
        parents=parents,
    )


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signed]:
    with time_stamp_authority(tmp_path_factory.mktemp("tsa")) as authority:
        chain, key = make_development_chain("Old", days=VALID_SECONDS / 86_400)
        identity = SigningIdentity(chain_pem=chain, key_pem=key)
        plain = {name: signed(name, identity) for name in FORMATS}
        stamped = signed("png", replace(identity, tsa_url=authority.url))
        rendition = signed("webp", identity, Parent(plain["png"], "image/png"))
        end = validity(chain)
        assert end is not None
        time.sleep(max(0.0, end[1].timestamp() - time.time()) + 1.1)
        yield Signed(plain, stamped, rendition, root_of(chain), authority.root)


pytestmark = needs_openssl


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("is_anchor_known", [False, True])
def test_an_unchanged_file_of_an_expired_signer_is_intact(
    old: Signed, name: str, is_anchor_known: bool
) -> None:
    anchors = old.signer_root if is_anchor_known else ""

    read = read_content_credentials(old.plain[name], MEDIA_TYPES[name], trust_anchors=anchors)

    assert (read.state, read.is_unaltered, read.time) == ("expired", True, "")
    assert "signingCredential.expired" in read.failures


def test_a_rendition_of_an_expired_signer_is_intact(old: Signed) -> None:
    assert read_content_credentials(old.rendition, "image/webp").state == "expired"


@pytest.mark.parametrize("name", FORMATS)
def test_a_changed_file_of_an_expired_signer_is_still_invalid(old: Signed, name: str) -> None:
    changed = bytearray(old.plain[name])
    changed[-30] ^= 1

    read = read_content_credentials(bytes(changed), MEDIA_TYPES[name])

    assert (read.state, read.is_unaltered) == ("invalid", False)


def test_a_time_stamp_of_a_trusted_authority_keeps_a_file_valid(old: Signed) -> None:
    anchors = old.authority_root

    unknown = read_content_credentials(old.stamped, "image/png", trust_anchors=anchors)
    known = read_content_credentials(
        old.stamped, "image/png", trust_anchors=anchors + old.signer_root
    )

    assert (unknown.state, known.state) == ("valid", "trusted")
    assert known.time.startswith("20")
    assert known.is_time_trusted


def test_a_time_stamp_of_an_unknown_authority_proves_no_time(old: Signed) -> None:
    read = read_content_credentials(old.stamped, "image/png", trust_anchors=old.signer_root)

    assert (read.state, read.is_time_trusted) == ("expired", False)
    assert read.time


def test_facts_of_an_expired_file_say_so(old: Signed) -> None:
    facts = read_ingredient_facts(old.plain["png"], "image/png")

    assert (facts.state, facts.is_intact, facts.is_valid) == ("expired", True, False)
    assert "Old" in facts.issuer


def test_a_new_file_with_an_expired_parent_is_valid(old: Signed) -> None:
    chain, key = make_development_chain("New")
    parent = Parent(old.plain["png"], "image/png")

    data = signed("png", SigningIdentity(chain_pem=chain, key_pem=key), parent)

    assert read_content_credentials(data, "image/png").state == "valid"
