"""What a provider says of its own images goes into the master, whole or by a few facts, and is told."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from django.urls import reverse

from imagegen_app.imaging.ingredients import FACTS_LABEL, manifest_store
from imagegen_app.providers.sandbox import Sandbox
from imagegen_app.services.gateways import file_signing, storage
from imagegen_app.services.library import evidence
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_image_model, make_provider, make_user
from tests.services.conftest import Site, governed
from tests.services.worker.test_foreign_manifests import (
    FILES,
    GPS,
    PAYLOAD,
    count_payloads,
    ingredients,
    made,
    manifest_labels,
    manifest_sizes,
    png,
    public_files,
    rendition,
    signed_by_a_stranger,
    texts_in,
    with_store,
)

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.core.types import ProviderResult
    from imagegen_app.providers.answers import SpooledAnswer


class Signing(Sandbox):
    """An adapter whose provider signs its images."""

    is_remote: ClassVar[bool] = False
    answer: ClassVar[bytes] = b""

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        result = super().read_answer(answer)
        return replace(
            result, images=tuple(replace(one, data=self.answer) for one in result.images)
        )


@pytest.fixture
def signing_provider(db: None, small: Any) -> Site:
    small.IMAGEGEN = {
        **small.IMAGEGEN,
        "ADAPTERS": {"signing": f"{__name__}.Signing"},
    }
    provider = make_provider(adapter="signing")
    return governed(make_image_model(provider=provider, provider_model_name="sandbox-1"))


def test_a_providers_small_valid_manifest_goes_whole_into_the_master_alone(
    signing_provider: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Signing, "answer", signed_by_a_stranger(filler=20_000))

    asset = made(signing_provider)

    assert manifest_labels(Signing.answer) < manifest_labels(storage.get(asset.storage_key))
    assert GPS.encode() in storage.get(asset.storage_key)
    assert count_payloads(asset)["webp-32"] == 0
    sizes = manifest_sizes(asset)
    assert sizes["master"] > 20_000
    assert sizes["webp-32"] < 6_000
    # They hold as an ingredient, too, and the renditions do not even name them.
    assert "active_manifest" in ingredients(storage.get(asset.storage_key), "image/png")[0]
    assert len(manifest_labels(rendition(asset))) == 1
    assert asset.provider_credentials["state"] == "valid"
    assert asset.is_provider_embedded


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_providers_manifest_goes_in_whole_up_to_the_last_byte(
    signing_provider: Site, monkeypatch: pytest.MonkeyPatch, beyond: int
) -> None:
    monkeypatch.setattr(Signing, "answer", signed_by_a_stranger(filler=1_000))
    size = len(manifest_store(Signing.answer))
    monkeypatch.setattr(file_signing, "MAX_EMBEDDED_BYTES", size - beyond)

    asset = made(signing_provider)

    assert asset.is_provider_embedded is not bool(beyond)
    assert (GPS.encode() in storage.get(asset.storage_key)) is not bool(beyond)
    manifest_sizes(asset)


def test_the_assets_page_tells_of_the_providers_credentials(
    signing_provider: Site, monkeypatch: pytest.MonkeyPatch, admin_client: Client
) -> None:
    monkeypatch.setattr(Signing, "answer", signed_by_a_stranger())
    whole = made(signing_provider)
    monkeypatch.setattr(Signing, "answer", signed_by_a_stranger(filler=70_000))
    named = made(signing_provider, prompt="A blue mug")
    monkeypatch.setattr(Signing, "answer", (FILES / "parent-expired-signer.png").read_bytes())
    expired = made(signing_provider, prompt="A green mug")
    monkeypatch.setattr(Signing, "answer", png(seed=3))
    without = made(signing_provider, prompt="A white mug")

    pages = [
        admin_client.get(reverse("admin:imagegen_asset_change", args=[asset.pk])).content.decode()
        for asset in (whole, named, expired, without)
    ]

    title = "<dt>Provider&#x27;s Content Credentials</dt><dd><bdi>"
    signed = f"{title}intact, signed by DEVELOPMENT ONLY imagegen signer, "
    assert f"{signed}not on a trust list" in pages[0]
    assert f"Their issuer</dt><dd><bdi>DEVELOPMENT ONLY Stranger {PAYLOAD}" in pages[0]
    assert f"Their claim</dt><dd><bdi>tool {PAYLOAD}" in pages[0]
    assert "whole, as an ingredient" in pages[0]
    assert "by their signer, issuer and claim only" in pages[1]
    assert title + "intact, signed by" in pages[2]
    assert ", certificate expired" in pages[2]
    assert "by their signer, issuer and claim only" in pages[2]
    assert f"{title}none" in pages[3]


def test_the_evidence_tells_of_the_providers_credentials(
    signing_provider: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Signing, "answer", signed_by_a_stranger())
    asset = made(signing_provider)
    auditor = access.actor_for(make_user("otto", permissions=["imagegen.export_audit"]))

    pack = evidence.build_pack(actor=auditor, asset=asset)

    with zipfile.ZipFile(io.BytesIO(pack.data)) as archive:
        facts = json.loads(archive.read("summary.json"))["provider_credentials"]
        original = archive.read("original.png")
    assert (facts["state"], facts["claim_generator"][:4]) == ("valid", "tool")
    assert manifest_store(original) == manifest_store(Signing.answer)


@pytest.mark.parametrize("fault", ["too large", "invalid", "unreadable"])
def test_any_other_manifest_of_a_provider_is_named_by_a_few_facts(
    signing_provider: Site, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    answer = signed_by_a_stranger(filler=70_000 if fault == "too large" else 0)
    if fault == "invalid":
        answer = with_store(png(seed=90), manifest_store(answer))
    elif fault == "unreadable":
        answer = with_store(answer, b"no manifest store")
    monkeypatch.setattr(Signing, "answer", answer)

    asset = made(signing_provider)

    assert GPS.encode() not in b"".join(texts_in(d) for d in public_files(asset).values())
    (entry,) = ingredients(storage.get(asset.storage_key), asset.media_type)
    assert entry["metadata"][FACTS_LABEL]["credentials"] == {"too large": "valid"}.get(fault, fault)
    assert len(manifest_labels(storage.get(asset.storage_key))) == 1
    manifest_sizes(asset)
    told = entry["metadata"][FACTS_LABEL]
    if fault == "too large":
        assert told["signer"].startswith("DEVELOPMENT ONLY")
        assert PAYLOAD in told["issuer"]
        assert told["claim_generator"].startswith("tool ")
        assert told["manifest"].startswith("urn:c2pa:")
    assert not asset.is_provider_embedded
