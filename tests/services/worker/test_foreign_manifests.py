"""What others wrote into the Content Credentials of their files is not published by this site."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from c2pa import (  # type: ignore[import-untyped]  # it ships no types
    Builder,
    C2paSignerInfo,
    Context,
    Reader,
    Settings,
    Signer,
)
from django.core.files.storage import storages
from django.urls import reverse
from PIL import Image

from imagegen_app.core.source_types import GENERATED
from imagegen_app.imaging.certificates import make_development_chain
from imagegen_app.imaging.containers import png_chunks
from imagegen_app.imaging.content_credentials import read_content_credentials
from imagegen_app.imaging.ingredients import FACTS_LABEL, MAX_FACT_CHARS, manifest_store
from imagegen_app.models import Asset, AuditEvent, JobInput
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import storage
from imagegen_app.services.job_requests import creation, from_job
from imagegen_app.services.job_requests.values import InputSource
from imagegen_app.services.library import evidence
from imagegen_app.services.policy import access
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_user
from tests.services.conftest import Site

if TYPE_CHECKING:
    from django.test import Client


#: Stands in every free text of a stranger's manifest.
PAYLOAD = "PAYLOAD-4711"
GPS = "GPS-52.5200N"
FILES = Path(__file__).parent / "files"


def picture(*, seed: int = 0) -> Image.Image:
    return Image.linear_gradient("L").rotate(seed).convert("RGB").resize((64, 64))


def png(*, seed: int = 0) -> bytes:
    out = io.BytesIO()
    picture(seed=seed).save(out, "PNG")
    return out.getvalue()


def signed_by_a_stranger(*, filler: int = 0, data: bytes = b"") -> bytes:
    """Return a PNG with a validly signed manifest that has the payload in every free text."""
    chain, key = make_development_chain(f"Stranger {PAYLOAD}")
    claim = {
        "title": f"title {PAYLOAD} " + "t" * 500,
        "claim_generator_info": [{"name": f"tool {PAYLOAD}" + "g" * 500, "version": PAYLOAD}],
        "metadata": [{"org.stranger.note": PAYLOAD}],
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {
                    "actions": [
                        {
                            "action": "c2pa.created",
                            "digitalSourceType": GENERATED,
                            "description": f"description {PAYLOAD}",
                            "softwareAgent": {"name": f"agent {PAYLOAD}"},
                            "parameters": {"description": f"parameter {PAYLOAD}"},
                        }
                    ]
                },
            },
            {
                "label": "org.stranger.note",
                "data": {"note": PAYLOAD, "where": GPS, "filler": "f" * filler},
            },
            {
                "label": "c2pa.metadata",
                "data": {
                    "@context": {"exif": "http://ns.adobe.com/exif/1.0/"},
                    "exif:GPSLatitude": GPS,
                },
                "kind": "Json",
            },
        ],
    }
    settings = {
        "verify": {"remote_manifest_fetch": False},
        "builder": {"thumbnail": {"enabled": False}},
    }
    out = io.BytesIO()
    with (
        Context(Settings.from_dict(settings)) as context,
        Signer.from_info(C2paSignerInfo("es256", chain.encode(), key.encode(), None)) as signer,
        Builder(claim, context) as builder,
    ):
        ingredient = {"title": f"ingredient {PAYLOAD}", "relationship": "inputTo"}
        builder.add_ingredient(ingredient, "image/png", io.BytesIO(png(seed=7)))
        builder.sign(signer, "image/png", io.BytesIO(data or png()), out)
    signed = out.getvalue()
    assert read_content_credentials(signed, "image/png").state == "valid"
    return signed


def public_files(asset: Asset) -> dict[str, bytes]:
    """Return the bytes of everything that the public may get."""
    return {
        "master": storage.get(asset.storage_key),
        **{f"{r.format}-{r.width}": storage.get(r.storage_key) for r in asset.renditions.all()},
    }


def texts_in(data: bytes) -> bytes:
    """Return a file's bytes, and what is compressed inside (deflate or Brotli boxes)."""
    found = [data]
    for at in range(len(data) - 2):
        if data[at] == 0x78:
            try:
                found.append(zlib.decompressobj().decompress(data[at:], 1_000_000))
            except zlib.error:
                continue
    # A compressed manifest would be a `brob` box; the library writes none.
    assert b"brob" not in data
    return b"\0".join(found)


def made(site: Site, **changes: Any) -> Asset:
    job = site.request(**changes)
    driver.drive(seconds=15)
    job.refresh_from_db()
    assert job.state == "succeeded", (job.state, job.error_code, job.error_message)
    return job.assets.get()


def media_type(name: str, asset: Asset) -> str:
    return asset.media_type if name == "master" else f"image/{name.partition('-')[0]}"


def manifest_sizes(asset: Asset) -> dict[str, int]:
    """Return the bytes of each public file's manifests, and require that all of them hold."""
    files = public_files(asset)
    for name, data in files.items():
        found = read_content_credentials(data, media_type(name, asset))
        assert found.state == "valid", name
        assert found.digital_source_type == asset.digital_source_type
    return {name: len(manifest_store(data)) for name, data in files.items()}


def count_payloads(asset: Asset) -> dict[str, int]:
    """Return how often the payload stands in each public file."""
    return {n: texts_in(d).count(PAYLOAD.encode()) for n, d in public_files(asset).items()}


def test_an_uploads_manifest_is_named_and_not_published(site: Site) -> None:
    upload = signed_by_a_stranger(filler=300_000)

    asset = made(site, operation="edit", inputs=[InputSource(data=upload)])

    # In the master: the beginnings of the title and the tool's name, and the certificate's name.
    assert count_payloads(asset) == {"master": 3, "webp-32": 0}
    for data in public_files(asset).values():
        text = texts_in(data)
        assert GPS.encode() not in text
        assert b"t" * MAX_FACT_CHARS not in text
        assert b"g" * MAX_FACT_CHARS not in text
    sizes = manifest_sizes(asset)
    assert sizes["master"] < 8_000
    assert sizes["webp-32"] < 6_000
    (entry,) = ingredients(storage.get(asset.storage_key), asset.media_type)
    told = entry["metadata"][FACTS_LABEL]
    assert told["sha256"] == hashlib.sha256(upload).hexdigest()
    assert told["credentials"] == "valid"
    assert told["digitalSourceType"] == GENERATED
    assert told["manifest"].startswith("urn:c2pa:")
    assert not asset.is_parent_reduced


def test_the_evidence_has_an_uploads_whole_manifest(site: Site) -> None:
    upload = signed_by_a_stranger(filler=1_000)
    asset = made(site, operation="edit", inputs=[InputSource(data=upload)])
    auditor = access.actor_for(make_user("otto", permissions=["imagegen.export_audit"]))

    pack = evidence.build_pack(actor=auditor, asset=asset)

    with zipfile.ZipFile(io.BytesIO(pack.data)) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".c2pa")]
        store = archive.read(name)
        facts = json.loads(archive.read("summary.json"))
    assert store == manifest_store(upload)
    with Reader("application/c2pa", io.BytesIO(store)) as reader:
        assert GPS in reader.json()
    assert facts["uploads"][0]["credentials"]["state"] == "valid"


def test_a_job_that_is_requested_again_keeps_what_was_read_of_the_upload(site: Site) -> None:
    upload = signed_by_a_stranger()
    job = made(site, operation="edit", inputs=[InputSource(data=upload)]).job
    entry = job.inputs.get()
    # As if another file had been stored in place of the upload, such as a normalised one.
    key, _sha256 = storage.put("inputs", png(), extension="png")
    use_case(audited=False)(lambda: JobInput.objects.update(storage_key=key))()

    again = from_job.job_request_from(actor=site.actor, job=job)
    second = creation.request_images(actor=site.actor, job_request=again)

    copy = second.inputs.get()
    assert copy.ingredient_facts == entry.ingredient_facts
    assert copy.ingredient_facts["state"] == "valid"
    assert copy.manifest_key == entry.manifest_key != ""


def ingredients(data: bytes, of: str) -> list[dict[str, Any]]:
    with Reader(of, io.BytesIO(data)) as reader:
        active: dict[str, Any] = reader.get_active_manifest() or {}
    return list(active["ingredients"])


def test_an_upload_with_an_unusable_manifest_is_named_by_its_hash(site: Site) -> None:
    upload = (FILES / "cabx-garbage.png").read_bytes()

    asset = made(site, operation="edit", inputs=[InputSource(data=upload)])

    (entry,) = ingredients(storage.get(asset.storage_key), asset.media_type)
    assert entry["metadata"][FACTS_LABEL]["sha256"] == hashlib.sha256(upload).hexdigest()
    assert asset.job.tries == 1
    assert asset.is_parent_reduced
    assert AuditEvent.objects.get(type="asset.created").body.count("parent_reduced") == 1
    manifest_sizes(asset)


def test_the_assets_page_tells_of_an_input_that_is_named_by_its_hash(
    site: Site, admin_client: Client
) -> None:
    upload = (FILES / "cabx-garbage.png").read_bytes()
    asset = made(site, operation="edit", inputs=[InputSource(data=upload)])

    page = admin_client.get(reverse("admin:imagegen_asset_change", args=[asset.pk]))

    assert "one is named by its hash only" in page.content.decode()


def test_our_own_images_name_their_parent_and_their_renditions_have_their_claim(site: Site) -> None:
    first = made(site)
    second = made(site, operation="edit", inputs=[InputSource(asset=first)])

    for asset in (first, second):
        labels = manifest_labels(storage.get(asset.storage_key))
        assert len(labels) == 1
        assert labels < manifest_labels(rendition(asset))
        assert len(manifest_labels(rendition(asset))) == 2
    assert not second.is_parent_reduced
    manifest_sizes(second)


def rendition(asset: Asset) -> bytes:
    return storage.get(asset.renditions.get().storage_key)


def manifest_labels(data: bytes) -> set[str]:
    """Return the labels of all manifests in a file."""
    of = "image/webp" if data[:4] == b"RIFF" else "image/png"
    with Reader(of, io.BytesIO(data)) as reader:
        return set(json.loads(reader.json())["manifests"])


def test_a_parent_of_ours_whose_manifest_was_damaged_is_named_by_its_hash(site: Site) -> None:
    first = made(site)
    path = Path(storages["imagegen"].path(first.storage_key))
    path.write_bytes(with_store(path.read_bytes(), b"no manifest store"))

    second = made(site, operation="edit", inputs=[InputSource(asset=first)])

    assert second.is_parent_reduced
    assert second.c2pa_state == "valid"
    (entry,) = ingredients(storage.get(second.storage_key), second.media_type)
    assert entry["metadata"][FACTS_LABEL]["credentials"] == "unreadable"


def with_store(data: bytes, store: bytes) -> bytes:
    """Return a PNG with another manifest store than it had."""
    kept = [(kind, body) for kind, body in png_chunks(data) if kind != b"caBX"]
    kept.insert(1, (b"caBX", store))
    return data[:8] + b"".join(
        len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)
        for kind, body in kept
    )
