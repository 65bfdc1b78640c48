"""Assets and uploads whose signer's certificate has expired are told as intact, everywhere."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from django.utils import translation

from imagegen_app.imaging.content_credentials import read_content_credentials
from imagegen_app.imaging.ingredients import manifest_store
from imagegen_app.imaging.manifests import ContentCredentials
from imagegen_app.imaging.metadata import ReadXmpFields
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import decoding, manifests, storage
from imagegen_app.services.job_requests.values import InputSource
from imagegen_app.services.library import evidence, inspection
from imagegen_app.services.policy import access
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_asset, make_user
from tests.imaging.test_expired_signers import VALID_SECONDS, old
from tests.imaging.time_stamp_authority import needs_openssl

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.models import Asset
    from tests.imaging.test_expired_signers import Signed
    from tests.services.conftest import Site

__all__ = ["VALID_SECONDS", "old"]

EXPIRED = Path(__file__).parents[1] / "worker" / "files" / "parent-expired-signer.png"


def stored(data: bytes) -> Asset:
    """Return an asset with these bytes as its published file."""
    asset = make_asset()
    key, sha256 = storage.put("assets", data, extension="png")
    asset.storage_key, asset.sha256, asset.media_type = key, sha256, "image/png"
    use_case(audited=False)(asset.save)()
    return asset


@pytest.fixture
def old_asset(db: None, small: Any) -> Asset:
    return stored(EXPIRED.read_bytes())


def test_an_old_asset_is_intact_with_an_expired_certificate(old_asset: Asset) -> None:
    found = inspection.inspect_stored(old_asset)

    assert found.is_intact
    assert found.summary.startswith("intact, signed by ")
    assert found.summary.endswith(", certificate expired")
    assert found.time_stamp == "not stamped"


def test_a_changed_old_file_is_not_called_intact(old_asset: Asset) -> None:
    changed = bytearray(EXPIRED.read_bytes())
    changed[-30] ^= 1

    found = inspection.inspect_bytes(bytes(changed), "image/png")

    assert not found.is_intact
    assert found.summary.startswith("changed after ")


def test_the_page_of_an_old_asset_says_so(old_asset: Asset, admin_client: Client) -> None:
    page = admin_client.get(
        reverse("admin:imagegen_asset_change", args=[old_asset.pk])
    ).content.decode()

    assert ", certificate expired" in page
    assert "changed after" not in page
    assert "not stamped" in page


def test_the_evidence_of_an_old_asset_says_so(old_asset: Asset) -> None:
    auditor = access.actor_for(make_user("otto", permissions=["imagegen.export_audit"]))

    pack = evidence.build_pack(actor=auditor, asset=old_asset)

    with zipfile.ZipFile(io.BytesIO(pack.data)) as archive:
        facts = json.loads(archive.read("summary.json"))
        readme = archive.read("README.txt").decode()
    assert (facts["credentials"], facts["c2pa_stamped_at"]) == ("expired", None)
    assert "certificate has expired means that the file is intact" in readme


@needs_openssl
def test_a_stamped_asset_stays_valid_beyond_its_certificate(
    old: Signed, db: None, small: Any, tmp_path: Path
) -> None:
    anchors = tmp_path / "anchors.pem"
    anchors.write_text(old.authority_root)
    small.IMAGEGEN = {**small.IMAGEGEN, "C2PA": {"TRUST_ANCHORS": str(anchors)}}
    asset = stored(old.stamped)

    found = inspection.inspect_stored(asset)
    upload = manifests.read_manifest(old.stamped, patience=decoding.Patience())

    assert found.is_intact
    assert found.summary.endswith(", not on a trust list")
    assert found.time_stamp.startswith("stamped at ")
    assert "authority" not in found.time_stamp
    assert upload.facts.state == "valid"


@needs_openssl
def test_a_stamp_of_an_unknown_authority_is_told_as_such(old: Signed, db: None, small: Any) -> None:
    found = inspection.inspect_bytes(old.stamped, "image/png")

    assert found.summary.endswith(", certificate expired")
    assert found.time_stamp.endswith(", by an authority that is not on a trust list")


def test_an_upload_of_an_expired_signer_is_named_by_its_facts(site: Site) -> None:
    job = site.request(operation="edit", inputs=[InputSource(data=EXPIRED.read_bytes())])
    driver.drive(seconds=15)

    asset = job.assets.get()
    assert job.inputs.get().ingredient_facts["state"] == "expired"
    assert not asset.is_parent_reduced
    assert asset.c2pa_state == "valid"


def test_the_chain_of_an_old_asset_goes_on_in_what_is_made_of_it(
    site: Site, old_asset: Asset
) -> None:
    old_asset.job.requester = site.actor.user
    use_case(audited=False)(old_asset.job.save)()
    job = site.request(operation="edit", inputs=[InputSource(asset=old_asset)])
    driver.drive(seconds=15)

    asset = job.assets.get()
    data = storage.get(asset.storage_key)
    assert read_content_credentials(data, "image/png").state == "valid"
    assert len(manifest_store(data)) > len(manifest_store(EXPIRED.read_bytes()))
    assert not asset.is_parent_reduced


@pytest.mark.parametrize(
    ("failures", "is_unaltered", "said"),
    [
        (("signingCredential.ocsp.revoked",), True, "intact, but the signature of Ada is not"),
        (("claimSignature.outsideValidity",), True, "intact, but the signature of Ada is not"),
        (("assertion.dataHash.mismatch",), False, "changed after Ada signed it"),
    ],
)
def test_only_a_file_that_was_changed_is_called_changed(
    failures: tuple[str, ...], is_unaltered: bool, said: str
) -> None:
    read = ContentCredentials("invalid", "Ada", failures=failures, is_unaltered=is_unaltered)

    with translation.override("en"):
        assert inspection.Inspection(read, ReadXmpFields()).summary.startswith(said)


@pytest.mark.parametrize("time", ["", "soon", "2026-11-26T19:13:15"])
def test_a_time_that_is_none_counts_as_no_stamp(time: str) -> None:
    read = ContentCredentials("valid", "Ada", time=time)

    assert inspection.Inspection(read, ReadXmpFields()).time_stamp == "not stamped"
    assert replace(read, time="2026-11-26T19:13:15+00:00").stamped_at is not None
