"""Every published file tells who made it, with which version, when, and what identifies it."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from c2pa import Reader  # type: ignore[import-untyped]  # it ships no types

from imagegen_app.core.source_types import COMPOSITE, ENHANCED, GENERATED
from imagegen_app.core.types import Operation
from imagegen_app.imaging.metadata import read_xmp
from imagegen_app.models import ImageModel
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import storage
from imagegen_app.services.job_requests.values import InputSource
from tests.services.worker.test_foreign_manifests import (
    made,
    media_type,
    png,
    public_files,
    signed_by_a_stranger,
)

if TYPE_CHECKING:
    from pathlib import Path

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

    run = subprocess.run(  # noqa: S603 - a fixed command
        ["exiftool", "-j", "-a", "-G1", str(path)],  # noqa: S607
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
