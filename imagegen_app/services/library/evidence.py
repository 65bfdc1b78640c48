"""Build a ZIP file that proves the origin of one image and can be verified without this site."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app.imaging.ingredients import manifest_store
from imagegen_app.models import JobInput, Lineage, Verdict
from imagegen_app.services.audit import log_export
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import storage
from imagegen_app.services.jobs import pass_chain
from imagegen_app.services.library import inspection
from imagegen_app.services.policy import access
from imagegen_app.services.policy.storage_refusals import refuse_on_storage_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Asset

#: How many ancestors of an image are told of at most.
_MAX_ANCESTORS = 200
_README = """Evidence for one image
======================

master.*          the published file, with its AI marking and signed Content Credentials
original.*        the bytes as the provider sent them
inputs/*.c2pa     the Content Credentials of uploaded input images as they came, whole: the
                  published file has only a few facts of them; any C2PA reader takes them
ancestors/*.c2pa  the Content Credentials of the images of this site that it was made from: the
                  published file names them by hash and title
events.jsonl      every audit event about the image and the job behind it, one per line
events.proofs.jsonl
                  the log's signed checkpoint, and for each event its position and inclusion proof
summary.json      the main facts: who, when, which model and version, cost, review, placements
MANIFEST.json     the SHA-256 of every file here

How to verify without the site
------------------------------
1. Compare each file's SHA-256 with MANIFEST.json.
2. Read master.* with any C2PA reader: the signature must hold.
3. For each line of events.jsonl: SHA-256 over the byte 0x00 followed by the line (without its end)
   gives the leaf that events.proofs.jsonl names; the proof leads from it to the root in the
   checkpoint (RFC 9162, section 2.1.3).
4. Check the checkpoint's signature with the verifier key beside it (C2SP signed note,
   Ed25519), and compare that key with the one the site published elsewhere.

Personal texts such as the prompt are not in the events, only salted commitments to them.
"""


@dataclass(frozen=True, slots=True)
class _Ancestor:
    """An image of this site that another was made from, and its manifest store if it is readable."""

    asset: Asset
    store: bytes


@dataclass(frozen=True, slots=True)
class EvidencePack:
    """A ZIP file with its file name."""

    name: str
    data: bytes


def build_pack(*, actor: Actor, asset: Asset) -> EvidencePack:
    """Return the evidence for one asset as a ZIP file, and record the export in the audit log.

    :raises NotPermitted: without the permission to export the log.
    :raises CannotExport: if the log is damaged.
    :raises StorageUnavailable: if a file of the image cannot be read at present.
    :raises ImageFileMissing: if one is missing.
    """
    access.require_permission(actor, "export_audit")
    with refuse_on_storage_failure(_("The evidence was not exported.")):
        ancestors = _ancestors(asset)
        files: dict[str, bytes] = {
            f"master.{_extension(asset.storage_key)}": storage.get(asset.storage_key),
            f"original.{_extension(asset.original_storage_key)}": storage.get(
                asset.original_storage_key
            ),
            "summary.json": json.dumps(
                _facts(asset, ancestors), indent=2, ensure_ascii=False
            ).encode(),
            **{f"ancestors/{one.asset.sha256}.c2pa": one.store for one in ancestors if one.store},
            "README.txt": _README.encode(),
            **_manifests(asset),
        }
    with tempfile.TemporaryDirectory() as folder:
        exported = log_export.export(
            actor,
            out=Path(folder) / "events.jsonl",
            selection=log_export.ExportFilter(job=asset.job_id),
        )
        files["events.jsonl"] = exported.bodies.read_bytes()
        files["events.proofs.jsonl"] = exported.proofs.read_bytes()
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    files["MANIFEST.json"] = json.dumps(hashes, indent=2).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            archive.writestr(name, data)
    _record(actor=actor, asset=asset, digest=hashlib.sha256(out.getvalue()).hexdigest())
    return EvidencePack(name=f"evidence-{asset.pk}.zip", data=out.getvalue())


def _manifests(asset: Asset) -> dict[str, bytes]:
    """Return the manifest stores of the uploads behind an image, by their names in the pack."""
    return {
        f"inputs/{entry.sha256}.c2pa": storage.get(entry.manifest_key)
        for entry in _uploads(asset)
        if entry.manifest_key
    }


def _ancestors(asset: Asset) -> list[_Ancestor]:
    """Return the images of this site that an image was made from, the nearest first.

    :raises StorageFailed: if the storage fails; a file that is gone is no reason.
    """
    found: dict[Any, Asset] = {}
    generation = [asset]
    while generation and len(found) < _MAX_ANCESTORS:
        links = Lineage.objects.filter(child__in=generation).select_related("parent")
        parents = {link.parent_id: link.parent for link in links.order_by("pk")}
        generation = [one for key, one in parents.items() if key not in found and one != asset]
        found |= {one.pk: one for one in generation}
    return [_Ancestor(one, _store_of(one)) for one in list(found.values())[:_MAX_ANCESTORS]]


def _store_of(asset: Asset) -> bytes:
    try:
        return manifest_store(storage.get(asset.storage_key))
    except storage.FileMissing:
        return b""


def _uploads(asset: Asset) -> list[JobInput]:
    jobs = pass_chain.jobs_leading_to(asset.job)
    uploads = JobInput.objects.filter(job__in=jobs, asset__isnull=True)
    return list(uploads.order_by("job", "position"))


@use_case()
def _record(*, actor: Actor, asset: Asset, digest: str) -> None:
    event_log.record(
        actor,
        "export.created",
        subject=asset,
        job=asset.job,
        asset=asset,
        data={"count": 1, "kind": "evidence pack", "sha256": digest},
    )


def _facts(asset: Asset, ancestors: Sequence[_Ancestor] = ()) -> dict[str, object]:
    job, model = asset.job, asset.attempt.image_model
    passes = pass_chain.jobs_leading_to(job)
    version = job.template_version
    inspected = inspection.inspect_stored(asset)
    return {
        "asset": str(asset.pk),
        "job": str(job.pk),
        "requested_by": f"{job.actor_kind}:{job.actor_id}",
        "requested_at": job.created_at.isoformat(),
        "provider": model.provider.name,
        "model": model.provider_model_name,
        "model_version": asset.attempt.model_version or model.version,
        "provider_request_id": asset.attempt.provider_request_id,
        "template": None if version is None else f"{version.template.slug} v{version.number}",
        "operation": job.operation,
        "passes": [
            {
                "job": str(one.pk),
                "operation": one.operation,
                "model": one.image_model.provider_model_name,
                "model_version": one.image_model.version,
                "cost": None if one.actual_cost is None else f"{one.actual_cost} {one.currency}",
            }
            for one in passes
        ],
        "uploads": [
            {
                "role": entry.role,
                "sha256": entry.sha256,
                # As it was uploaded, where another file was sent to the provider.
                "credentials": entry.ingredient_facts,
            }
            for entry in _uploads(asset)
        ],
        "ancestors": [
            {
                "asset": str(one.asset.pk),
                "sha256": one.asset.sha256,
                "digital_source_type": one.asset.digital_source_type,
                "has_manifest": bool(one.store),
            }
            for one in ancestors
        ],
        "seed": asset.seed,
        "cost": None if job.actual_cost is None else f"{job.actual_cost} {job.currency}",
        "sha256": asset.sha256,
        "original_sha256": asset.original_sha256,
        "digital_source_type": asset.digital_source_type,
        "credentials": inspected.credentials.state,
        "c2pa_signer": inspected.credentials.signer,
        "file_unchanged": inspected.is_unchanged,
        "verdicts": [
            {
                "screener": v.screener,
                "stage": v.stage,
                "part": v.part,
                "outcome": v.outcome,
            }
            for v in Verdict.objects.filter(job__in=passes).order_by("pk")
        ],
        "review_state": asset.review_state,
        "reviewed_at": None if asset.reviewed_at is None else asset.reviewed_at.isoformat(),
        "placements": [
            {
                "content": f"{p.content_type.app_label}.{p.content_type.model}:{p.object_id}",
                "field": p.field,
                "since": p.placed_at.isoformat(),
                "until": None if p.removed_at is None else p.removed_at.isoformat(),
            }
            for p in asset.placements.select_related("content_type").order_by("pk")
        ],
    }


def _extension(key: str) -> str:
    return key.rpartition(".")[2]
