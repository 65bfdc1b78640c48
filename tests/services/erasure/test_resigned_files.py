"""What an erasure signs again follows the rules of the first signing, and says what is true."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.imaging.content_credentials import read_content_credentials
from imagegen_app.imaging.ingredients import manifest_store
from imagegen_app.imaging.metadata import read_xmp
from imagegen_app.models import Asset, Job
from imagegen_app.services.erasure import commands, scopes
from imagegen_app.services.gateways import storage, time_stamps
from imagegen_app.services.job_requests.values import InputSource
from imagegen_app.services.library import asset_search, evidence, inspection
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_user
from tests.imaging.time_stamp_authority import needs_openssl, time_stamp_authority
from tests.services.erasure.test_files import PROMPT, files, made, officer, telling
from tests.services.worker.test_foreign_manifests import (
    PAYLOAD,
    manifest_labels,
    signed_by_a_stranger,
)
from tests.services.worker.test_provider_manifests import Signing, signing_provider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imagegen_app.core.actors import Person
    from tests.imaging.time_stamp_authority import Authority
    from tests.services.conftest import Site

__all__ = ["officer", "signing_provider", "telling"]
pytestmark = pytest.mark.django_db(transaction=True)
NOBODY = "http://127.0.0.1:9/"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    with time_stamp_authority(tmp_path_factory.mktemp("tsa")) as running:
        yield running


def configure(settings: Any, **c2pa: str) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "C2PA": c2pa}


def erased(officer: Person, asset: Asset) -> Asset:
    commands.erase(officer, scopes.job_scope(asset.job), reason="asked")
    asset.refresh_from_db()
    return asset


def stamps(asset: Asset) -> set[bool]:
    read = [read_content_credentials(storage.get(key), of) for key, of in files(asset).values()]
    assert {one.state for one in read} == {"valid"}
    return {one.stamped_at is not None for one in read}


@needs_openssl
def test_stamped_renditions_stay_within_their_limit(
    telling: Site, officer: Person, settings: Any, authority: Authority
) -> None:
    configure(settings, TSA_URL=authority.url)
    asset = made(telling)
    first = asset.stamped_at
    assert first is not None

    erased(officer, asset)

    assert stamps(asset) == {True}
    for rendition in asset.renditions.all():
        data = storage.get(rendition.storage_key)
        assert len(manifest_labels(data)) == 1, rendition
        assert len(manifest_store(data)) <= 20_000, rendition
    assert asset.stamped_at is not None
    assert asset.stamped_at >= first


@needs_openssl
def test_without_its_authority_an_erasure_signs_without_a_stamp_where_the_site_says_so(
    telling: Site, officer: Person, settings: Any, authority: Authority
) -> None:
    configure(settings, TSA_URL=authority.url)
    asset = made(telling)
    configure(settings, TSA_URL=NOBODY, TSA_ON_ERROR="sign")
    time_stamps._paused_until.clear()

    erased(officer, asset)

    assert stamps(asset) == {False}
    assert asset.stamped_at is None


def test_an_authority_that_is_away_is_no_fault_of_the_image(
    telling: Site, officer: Person, settings: Any
) -> None:
    asset = made(telling)
    configure(settings, TSA_URL=NOBODY)

    with pytest.raises(commands.CannotErase) as caught:
        erased(officer, asset)

    assert "cannot be signed now" in caught.value.reason
    assert "authority" in caught.value.reason
    assert caught.value.remedy == "Try again when that works; nothing is wrong with the image."
    assert Job.objects.get().prompt == PROMPT


def test_each_file_that_is_signed_again_has_an_instance_id_of_its_own(
    telling: Site, officer: Person
) -> None:
    asset = made(telling)
    before = [read_xmp(storage.get(key)) for key, _type in files(asset).values()]

    erased(officer, asset)

    data = [storage.get(key) for key, _type in files(asset).values()]
    after = [read_xmp(one) for one in data]
    ids = {marks.instance_id for marks in (*before, *after)}
    assert len(ids) == len(before) + len(after) == 8
    assert {marks.document_id for marks in (*before, *after)} == {f"xmp.did:{asset.pk}"}
    for one, marks in zip(data, after, strict=True):
        assert marks.instance_id.encode() in manifest_store(one)


@pytest.mark.parametrize("is_quoted", [False, True])
def test_what_a_provider_said_is_told_as_it_is_after_an_erasure(
    signing_provider: Site,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    is_quoted: bool,
) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "MARKS": {"INCLUDE_PROMPT": True}}
    monkeypatch.setattr(Signing, "answer", signed_by_a_stranger(filler=1_000))
    # The stranger's credentials have the payload in every free text.
    prompt = PAYLOAD if is_quoted else PROMPT
    asset = made(signing_provider, prompt=prompt)
    assert asset.is_provider_embedded
    received = asset.original_sha256
    officer = access.actor_for(make_user("eve", permissions=["imagegen.erase_personal_data"]))

    erased(officer, asset)

    master = storage.get(asset.storage_key)
    is_whole = manifest_labels(Signing.answer) < manifest_labels(master)
    assert is_whole == (not is_quoted)
    assert asset.is_provider_embedded == is_whole
    told = inspection.provider_credentials(asset)
    assert told is not None
    assert told.is_embedded == is_whole
    assert (received.encode() in master) == (not is_whole)
    assert (asset.original_sha256 == received) == is_whole
    assert prompt not in json.dumps(asset.provider_credentials)
    assert read_content_credentials(master, "image/png").state == "valid"


def test_the_hash_of_a_former_file_still_finds_its_image(telling: Site, officer: Person) -> None:
    asset = made(telling)
    hashes = [asset.sha256, *asset.renditions.values_list("sha256", flat=True)]

    erased(officer, asset)

    for sha256 in hashes:
        found = asset_search.by_file_hash(Asset.objects.all(), sha256)
        assert found is not None
        assert list(found) == [asset]
    assert asset.former_files.count() == len(hashes)
    assert asset.sha256 not in hashes


def test_the_evidence_tells_under_which_hash_an_ancestor_was_named(
    telling: Site, officer: Person, tmp_path: Path
) -> None:
    first = made(telling)
    second = made(telling, operation="edit", inputs=[InputSource(asset=first)])
    named = first.sha256
    erased(officer, first)
    auditor = access.actor_for(make_user("otto", permissions=["imagegen.export_audit"]))

    pack = evidence.build_pack(actor=auditor, asset=second)

    with zipfile.ZipFile(io.BytesIO(pack.data)) as archive:
        archive.extractall(folder := tmp_path / "pack")
    facts = json.loads((folder / "summary.json").read_text())
    (ancestor,) = facts["ancestors"]
    assert ancestor["sha256"] == first.sha256 != named
    assert [one["sha256"] for one in ancestor["former_files"] if one["file"] == "master"] == [named]
    assert named in (folder / "story.html").read_text()
    assert named.encode() in storage.get(second.storage_key)
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "verify.py"], cwd=folder, check=False, capture_output=True
    )
    # All holds; that nobody named the key from elsewhere is what 3 says.
    assert ran.returncode == 3, ran.stdout
