"""A file is named by few facts, each short and of a known form; its manifest store is found whole."""

from __future__ import annotations

import hashlib
import io
from dataclasses import asdict

import pytest
from c2pa import Reader  # type: ignore[import-untyped]  # it ships no types

from imagegen_app.core.source_types import GENERATED
from imagegen_app.core.types import Operation
from imagegen_app.imaging.content_credentials import (
    Parent,
    SigningIdentity,
    SoftwareAgent,
    make_development_chain,
    read_content_credentials,
    read_ingredient_facts,
    sign,
)
from imagegen_app.imaging.ingredients import MAX_FACT_CHARS, IngredientFacts, manifest_store

from . import sample_images
from .sample_images import MEDIA_TYPES, encoded, picture


@pytest.fixture(scope="module")
def signing() -> SigningIdentity:
    return SigningIdentity(*make_development_chain("Shop"), generator_version="1")


def signed(name: str, signing: SigningIdentity, *, title: str = "A hero") -> bytes:
    return sign(
        encoded(picture(), name),
        MEDIA_TYPES[name],
        signing=signing,
        title=title,
        operation=Operation.GENERATE,
        digital_source_type=GENERATED,
        software_agent=SoftwareAgent("m"),
    )


@pytest.mark.parametrize("name", sample_images.FORMATS)
def test_the_manifest_store_of_each_format_can_be_read_alone(
    name: str, signing: SigningIdentity
) -> None:
    data = signed(name, signing)

    store = manifest_store(data)

    with Reader("application/c2pa", io.BytesIO(store)) as reader:
        assert '"A hero"' in reader.json()
    assert manifest_store(encoded(picture(), name)) == b""


def test_a_store_of_many_jpeg_segments_is_joined(signing: SigningIdentity) -> None:
    parent = Parent(signed("png", signing), "image/png", relationship="inputTo")
    data = encoded(picture(), "jpeg")
    for _ in range(5):
        data = sign(
            encoded(picture(), "jpeg"),
            "image/jpeg",
            signing=signing,
            title="x" * 300,
            operation=Operation.GENERATE,
            digital_source_type=GENERATED,
            software_agent=SoftwareAgent("m"),
            parents=(parent,) * 9,
        )
        parent = Parent(data, "image/jpeg", relationship="inputTo")

    store = manifest_store(data)

    assert len(store) > 65_536
    assert int.from_bytes(store[:4]) == len(store)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF"])
def test_damaged_files_have_no_store(data: bytes) -> None:
    assert manifest_store(data) == b""
    assert read_ingredient_facts(data, "image/png").state == "none"


def test_facts_are_read_from_a_valid_file(signing: SigningIdentity) -> None:
    data = signed("webp", signing)

    facts = read_ingredient_facts(data, "image/webp")

    assert facts.is_valid
    assert facts.sha256 == hashlib.sha256(data).hexdigest()
    assert (facts.title, facts.claim_generator) == ("A hero", "imagegen_app 1")
    assert facts.digital_source_type == GENERATED
    assert facts.manifest_id.startswith("urn:c2pa:")
    assert "Shop" in facts.issuer
    assert IngredientFacts.from_dict({**facts.as_dict(), "unknown": 1}) == facts


def test_facts_keep_nothing_of_an_unknown_form() -> None:
    long = "evil\x00\x1b[31m\n\u202ename " * 50

    facts = IngredientFacts(
        sha256="../../etc/passwd",
        media_type="text/html",
        state="<script>",
        title=long,
        signer=long,
        issuer=long,
        claim_generator=long,
        manifest_id="urn:c2pa:<script>",
        digital_source_type="https://evil.example/type",
    )

    assert (facts.sha256, facts.media_type, facts.manifest_id) == ("", "", "")
    assert (facts.state, facts.digital_source_type) == ("unreadable", "")
    for text in asdict(facts).values():
        assert len(text) <= MAX_FACT_CHARS
        assert text.isprintable()


def test_a_parent_named_by_facts_is_an_ingredient_without_a_manifest(
    signing: SigningIdentity,
) -> None:
    parent = signed("png", signing, title="secret title")
    facts = IngredientFacts(sha256="0" * 64, media_type="image/png", title="told")

    data = sign(
        encoded(picture(), "png"),
        "image/png",
        signing=signing,
        title="after",
        operation=Operation.EDIT,
        digital_source_type=GENERATED,
        software_agent=SoftwareAgent("m"),
        parents=(Parent(parent, "image/png", facts=facts),),
    )

    read = read_content_credentials(data, "image/png")
    assert (read.state, read.ingredients) == ("valid", 1)
    assert read.actions == ("c2pa.opened", "c2pa.edited")
    assert b"secret title" not in data
    assert b"told" in data
