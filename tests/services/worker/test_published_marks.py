"""Every published file tells who made it, with which version, when, and what identifies it."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zipfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from c2pa import Reader  # type: ignore[import-untyped]  # it ships no types
from django.core.files.storage import storages

from imagegen_app.core.source_types import COMPOSITE
from imagegen_app.core.types import MASK_OPERATIONS, InputRole, Operation
from imagegen_app.imaging.content_credentials import sign
from imagegen_app.imaging.ingredients import FACTS_LABEL, manifest_store
from imagegen_app.imaging.metadata import read_xmp
from imagegen_app.models import ImageModel
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import file_signing, storage
from imagegen_app.services.job_requests.values import InputSource
from imagegen_app.services.library import evidence
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_user
from tests.services.worker.test_foreign_manifests import (
    made,
    media_type,
    png,
    public_files,
    signed_by_a_stranger,
)

if TYPE_CHECKING:
    from imagegen_app.imaging.content_credentials import Parent
    from imagegen_app.models import Asset
    from tests.services.conftest import Site

FACTS = "imagegen_app."


def claims(asset: Asset, name: str, data: bytes) -> list[dict[str, Any]]:
    """Return the manifests of a file, the active one first."""
    with Reader(media_type(name, asset), io.BytesIO(data)) as reader:
        store = json.loads(reader.json())
    active = store["active_manifest"]
    manifests: dict[str, dict[str, Any]] = store["manifests"]
    return [manifests[active], *(one for key, one in manifests.items() if key != active)]


def actions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        action
        for assertion in manifest["assertions"]
        if assertion["label"].startswith("c2pa.actions")
        for action in assertion["data"]["actions"]
    ]


def test_each_file_has_its_own_identifier_and_those_of_an_image_one_in_common(site: Site) -> None:
    first, second = made(site), made(site, prompt="another")

    for asset in (first, second):
        read = [read_xmp(data) for data in public_files(asset).values()]
        assert {marks.document_id for marks in read} == {f"xmp.did:{asset.pk}"}
    files = [*public_files(first).items(), *public_files(second).items()]
    ids = [read_xmp(data).instance_id for _name, data in files]
    assert len(set(ids)) == len(ids) == 4
    assert "" not in ids
    in_claims = [claims(first, name, data)[0]["instance_id"] for name, data in files]
    assert in_claims == ids


def test_the_four_facts_are_in_the_metadata_and_the_credentials_of_each_file(site: Site) -> None:
    # Not the one that the provider reports, which is `sandbox-1`.
    use_case(audited=False)(lambda: ImageModel.objects.update(version="as-configured"))()
    first = made(site)
    second = made(site, operation="edit", inputs=[InputSource(data=signed_by_a_stranger())])

    for asset in (first, second):
        provider = asset.attempt.image_model.provider.name
        for name, data in public_files(asset).items():
            marks = read_xmp(data)
            assert marks.ai_system == f"{provider} sandbox-1"
            assert marks.ai_system_version == "sandbox-1"
            assert asset.attempt.answered_at is not None
            created = datetime.fromisoformat(marks.created)
            assert abs((created - asset.attempt.answered_at).total_seconds()) < 1
            told: dict[str, str] = {}
            for action in (a for one in claims(asset, name, data) for a in actions(one)):
                parameters = action.get("parameters", {})
                told |= {
                    key.removeprefix(FACTS): value
                    for key, value in parameters.items()
                    if key.startswith(FACTS)
                }
                agent = action.get("softwareAgent")
                if agent:
                    told |= {"system": agent["name"], "version": agent["version"]}
                    told["created"] = action["when"]
            assert told == {
                "provider": provider,
                "system": marks.ai_system,
                "version": "sandbox-1",
                "created": marks.created,
                "document": marks.document_id,
            }, name


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_another_reader_sees_the_four_facts(site: Site, tmp_path: Path) -> None:
    asset = made(site)
    path = tmp_path / "master.png"
    path.write_bytes(storage.get(asset.storage_key))

    run = subprocess.run(
        ["exiftool", "-j", "-a", "-G1", str(path)],
        capture_output=True,
        check=True,
        timeout=60,
    )

    (seen,) = json.loads(run.stdout)
    provider = asset.attempt.image_model.provider.name
    assert seen["XMP-iptcExt:AISystemUsed"] == f"{provider} sandbox-1"
    assert seen["XMP-iptcExt:AISystemVersionUsed"] == "sandbox-1"
    assert seen["XMP-xmp:CreateDate"]
    assert seen["XMP-xmpMM:DocumentID"] == f"xmp.did:{asset.pk}"
    in_claim = {str(value) for key, value in seen.items() if key.startswith("CBOR:")}
    assert in_claim >= {
        provider,
        f"{provider} sandbox-1",
        "sandbox-1",
        seen["XMP-xmp:CreateDate"],
        seen["XMP-xmpMM:DocumentID"],
        seen["XMP-xmpMM:InstanceID"],
    }


def test_the_manifests_of_a_rendition_stay_small_however_long_the_chain(site: Site) -> None:
    parent = made(site)
    for _ in range(2):
        parent = made(site, operation="edit", inputs=[InputSource(asset=parent)])
    asset = made(site, operation="edit", inputs=[InputSource(asset=parent)])

    data = storage.get(asset.renditions.get().storage_key)

    assert len(manifest_store(data)) <= 10_000
    rendition, master = claims(asset, "webp-32", data)
    assert rendition["ingredients"][0]["active_manifest"] == master["label"]
    (before,) = master["ingredients"]
    assert before["metadata"][FACTS_LABEL]["sha256"] == parent.sha256
    assert "active_manifest" not in before
    assert before["title"] == f"edit {parent.job_id}"


class StampingIdentity:
    """Signs without the authority that it names: what is tested is only what goes into the file."""

    tried: ClassVar[list[tuple[Parent, ...]]] = []

    @classmethod
    def sign(cls, data: bytes, media_type: str, **changes: Any) -> bytes:
        cls.tried.append(changes["parents"])
        identity = replace(changes.pop("signing"), tsa_url="")
        return sign(data, media_type, signing=identity, **changes)


def test_a_rendition_with_a_time_stamp_has_only_its_own(
    site: Site, small: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A stamp takes 10 KB: with the master's, there would be two.
    small.IMAGEGEN = {**small.IMAGEGEN, "C2PA": {"TSA_URL": "https://tsa.example.org"}}
    monkeypatch.setattr(file_signing, "sign", StampingIdentity.sign)
    monkeypatch.setattr(StampingIdentity, "tried", [])

    asset = made(site)

    data = storage.get(asset.renditions.get().storage_key)
    assert len(StampingIdentity.tried) == 2
    assert len(claims(asset, "webp-32", data)) == 1
    assert len(manifest_store(data)) <= 10_000


def test_the_evidence_has_the_manifests_of_older_generations(site: Site) -> None:
    first = made(site)
    second = made(site, operation="edit", inputs=[InputSource(asset=first)])
    third = made(site, operation="upscale", inputs=[InputSource(asset=second)])
    auditor = access.actor_for(make_user("otto", permissions=["imagegen.export_audit"]))

    pack = evidence.build_pack(actor=auditor, asset=third)

    with zipfile.ZipFile(io.BytesIO(pack.data)) as archive:
        stores = {n: archive.read(n) for n in archive.namelist() if n.startswith("ancestors/")}
        facts = json.loads(archive.read("summary.json"))
    assert stores == {
        f"ancestors/{one.sha256}.c2pa": manifest_store(storage.get(one.storage_key))
        for one in (first, second)
    }
    assert [one["asset"] for one in facts["ancestors"]] == [str(second.pk), str(first.pk)]


def test_evidence_is_exported_without_the_file_of_an_ancestor_that_is_gone(site: Site) -> None:
    first = made(site)
    second = made(site, operation="edit", inputs=[InputSource(asset=first)])
    Path(storages["imagegen"].path(first.storage_key)).unlink()
    auditor = access.actor_for(make_user("otto", permissions=["imagegen.export_audit"]))

    pack = evidence.build_pack(actor=auditor, asset=second)

    with zipfile.ZipFile(io.BytesIO(pack.data)) as archive:
        facts = json.loads(archive.read("summary.json"))
    assert [one["has_manifest"] for one in facts["ancestors"]] == [False]


@pytest.mark.parametrize(
    ("operation", "is_input_ours"),
    [("generate", None), ("edit", True), ("upscale", True), ("control", False), ("edit", False)],
)
def test_what_we_publish_keeps_the_rules_of_the_specification(
    site: Site, operation: str, is_input_ours: bool | None
) -> None:
    inputs = []
    if is_input_ours is not None:
        inputs = [InputSource(asset=made(site)) if is_input_ours else InputSource(data=png())]
    asset = made(site, operation=operation, inputs=inputs)

    found = {
        name: _violations(claims(asset, name, data)[0])
        for name, data in public_files(asset).items()
    }

    assert found == {"master": [], "webp-32": []}


#: Actions that need no source type, since they change nothing that can be seen.
_UNSEEN = {"c2pa.transcoded", "c2pa.resized.proportional", "c2pa.enhanced", "c2pa.opened"}
_OF_A_PARENT = {"c2pa.opened", "c2pa.transcoded", "c2pa.repackaged"}
_STANDARD_PARAMETERS = {"ingredients", "ingredientIds"}


def _violations(manifest: dict[str, Any]) -> list[str]:
    """Return what a manifest violates of the rules of versions 2.2 and 2.4 that concern us."""
    found = []
    taken = actions(manifest)
    labels = [one["label"] for one in manifest["assertions"]]
    if taken[0]["action"] not in {"c2pa.created", "c2pa.opened"}:
        found.append("first action")
    if not manifest["label"].startswith("urn:c2pa:"):
        found.append("label of the manifest")
    if manifest["claim_generator_info"][0].get("specVersion") != "2.4.0":
        found.append("version of the specification")
    if any(not label.startswith("c2pa.") and "." not in label for label in labels):
        found.append("label of an assertion")
    for action in taken:
        kind, parameters = action["action"], action.get("parameters", {})
        if kind == "c2pa.opened" and action.get("digitalSourceType"):
            found.append(f"{kind}: source type")
        if kind not in _UNSEEN and not action.get("digitalSourceType"):
            found.append(f"{kind}: no source type")
        if kind in _OF_A_PARENT and len(parameters.get("ingredients", [])) != 1:
            found.append(f"{kind}: no ingredient")
        found += [
            f"{kind}: parameter {name}"
            for name in parameters
            if name not in _STANDARD_PARAMETERS and "." not in name
        ]
    return found


@pytest.mark.parametrize("operation", [o for o in Operation if o is not Operation.GENERATE])
def test_metadata_and_actions_of_every_operation_on_a_photo_agree(
    site: Site, operation: Operation
) -> None:
    inputs = [InputSource(data=png())]
    if operation in MASK_OPERATIONS:
        inputs.append(InputSource(data=png(seed=90), role=InputRole.MASK))
    asset = made(site, operation=operation, inputs=inputs)

    assert _told_types(asset) == {asset.digital_source_type}
    first = actions(claims(asset, "master", storage.get(asset.storage_key))[0])[0]["action"]
    assert first == ("c2pa.created" if operation is Operation.CONTROL else "c2pa.opened")


def test_an_edited_photo_stays_composite_through_later_steps(site: Site) -> None:
    asset = made(site, operation="edit", inputs=[InputSource(data=png())])
    for operation in ("upscale", "remove_background", "vary"):
        asset = made(site, operation=operation, inputs=[InputSource(asset=asset)])

        assert _told_types(asset) == {COMPOSITE} == {asset.digital_source_type}


def test_a_downloaded_file_of_ours_keeps_its_type_when_it_is_uploaded(site: Site) -> None:
    asset = made(site, operation="edit", inputs=[InputSource(data=png())])
    for data in public_files(asset).values():
        again = made(site, operation="upscale", inputs=[InputSource(data=data)])

        assert again.digital_source_type == COMPOSITE


def test_an_image_that_guides_another_is_recorded_as_its_input(site: Site) -> None:
    guide = made(site)

    asset = made(site, operation="control", inputs=[InputSource(asset=guide)])

    assert [link.relationship for link in asset.parent_links.all()] == ["inputTo"]


def _told_types(asset: Asset) -> set[str]:
    """Return all source types that the files of an asset tell, wherever they tell them."""
    return {
        told
        for name, data in public_files(asset).items()
        for told in (
            read_xmp(data).digital_source_type,
            *(
                action["digitalSourceType"]
                for manifest in claims(asset, name, data)
                for action in actions(manifest)
                if "digitalSourceType" in action
            ),
        )
    }
