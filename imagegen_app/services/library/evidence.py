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

from imagegen_app import conf
from imagegen_app.core import log_restores, notes
from imagegen_app.imaging.ingredients import manifest_store
from imagegen_app.models import FormerFile, JobInput, Lineage, Verdict
from imagegen_app.services.audit import descriptions, log_export, log_key
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import storage
from imagegen_app.services.job_requests import brand_kits, shot_choice
from imagegen_app.services.jobs import pass_chain
from imagegen_app.services.library import (
    _evidence_story,
    _pack_verifier,
    inspection,
    pictures,
    provider_marks,
    summary,
)
from imagegen_app.services.library._evidence_story import PackedInput
from imagegen_app.services.policy import access, closed_content
from imagegen_app.services.policy.storage_refusals import refuse_on_storage_failure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Asset

#: How many ancestors of an image are told of at most.
_MAX_ANCESTORS = 200
_README = """Evidence for one image
======================

story.html        read this first: what happened, in sentences, for people; it can be printed
verify.py         verifies all of this with nothing but Python's standard library
master.*          the published file, with its AI marking and signed Content Credentials
original.*        the bytes as the provider sent them
renditions/       the further published files
inputs/           the input images as they were sent to the provider, and uploads as they came
                  where the site keeps them
inputs/*.c2pa     the Content Credentials of uploaded input images as they came, whole: the
                  published file has only a few facts of them; any C2PA reader takes them
ancestors/*.c2pa  the Content Credentials of the images of this site that it was made from: the
                  published file names them by hash and title. The hash may be one of an ancestor's
                  "former_files" in summary.json: an erasure has rewritten its metadata since
events.jsonl      every audit event about the image and the job behind it, one per line
events.proofs.jsonl
                  the log's signed checkpoint, and for each event its position and inclusion proof;
                  also what was lost of the log where it was restored from a backup ("restores")
summary.json      the main facts: who, when, which model and version, cost, review, placements
log-key.txt       the log's public key, to be compared with a copy from elsewhere
MANIFEST.json     the SHA-256 of every file here
MANIFEST.note     the signature over MANIFEST.json, by the log's key

How to verify without the site
------------------------------
    python3 -I -S verify.py --key KEY

KEY is a public key of the log as you got it by another way than this pack: from the site's page
"Audit log", from `manage.py imagegen_audit keys`, or in writing; one that was replaced since serves
as well. Without --key the script says what holds, but not whose key it is. --checkpoint FILE also
shows that the log only grew since a checkpoint that the site published.

By hand:
1. Compare each file's SHA-256 with MANIFEST.json.
2. Read master.* with any C2PA reader: the signature must hold. A reader that only says that the
   signer's certificate has expired means that the file is intact, and that no time stamp of an
   authority that the reader trusts shows when it was signed ("credentials": "expired").
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

    :raises ClosedForGood: if it was found in a hard category.
    :raises NotPermitted: without the permission to export the log.
    :raises CannotExport: if the log is damaged.
    :raises StorageUnavailable: if a file of the image cannot be read at present.
    :raises ImageFileMissing: if one is missing.
    """
    # What is recorded of it is in the log, which can be exported; its bytes go nowhere.
    closed_content.require_open_asset(asset)
    access.require_permission(actor, "export_audit")
    with refuse_on_storage_failure(_("The evidence was not exported.")):
        ancestors = _ancestors(asset)
        files: dict[str, bytes] = {
            f"master.{_extension(asset.storage_key)}": storage.get(asset.storage_key),
            f"original.{_extension(asset.original_storage_key)}": storage.get(
                asset.original_storage_key
            ),
            **{
                f"renditions/{one.width}x{one.height}.{_extension(one.storage_key)}": storage.get(
                    one.storage_key
                )
                for one in asset.renditions.order_by("format", "width")
            },
            **{f"ancestors/{one.asset.sha256}.c2pa": one.store for one in ancestors if one.store},
            **_manifests(asset),
        }
        inputs = _add_inputs(asset, files)
    with tempfile.TemporaryDirectory() as folder:
        exported = log_export.export(
            actor,
            out=Path(folder) / "events.jsonl",
            selection=log_export.ExportFilter(job=asset.job_id),
        )
        files["events.jsonl"] = exported.bodies.read_bytes()
        files["events.proofs.jsonl"] = exported.proofs.read_bytes()
    header = json.loads(files["events.proofs.jsonl"].partition(b"\n")[0])
    vkey, inspected = header["vkey"], inspection.inspect_stored(asset)
    restores = log_restores.read_all(one["body"] for one in header["restores"])
    facts = _facts(asset, inputs, ancestors, reader=actor, inspected=inspected)
    # What was lost may be about this image.
    facts["log_restores"] = [log_restores.WARNING % one.facts for one in restores]
    files |= {
        "summary.json": json.dumps(facts, indent=2, ensure_ascii=False).encode(),
        "README.txt": _README.encode(),
        "log-key.txt": f"{vkey}\n".encode(),
        "verify.py": Path(_pack_verifier.__file__).read_bytes(),
    }
    files["story.html"] = _evidence_story.write_story(
        asset,
        reader=actor,
        files=files,
        hashes=_hashes(files),
        inputs=inputs,
        former=FormerFile.objects.filter(asset__in=[asset, *(one.asset for one in ancestors)]),
        credentials=inspected.summary,
        vkey=vkey,
        restores=restores,
    )
    files |= _signed_list(files)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            archive.writestr(name, data)
    _record(actor=actor, asset=asset, digest=hashlib.sha256(out.getvalue()).hexdigest())
    return EvidencePack(name=f"evidence-{asset.pk}.zip", data=out.getvalue())


def _hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}


def _signed_list(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the list of a pack's files, and the signature over it by the log's key."""
    listed = json.dumps(_hashes(files), indent=2).encode()
    text = f"{_pack_verifier.MANIFEST_FORMAT}\n{hashlib.sha256(listed).hexdigest()}\n"
    name = conf.get().audit.origin
    try:
        note = notes.sign_note(text, name=name, private_key=log_key.signing_key())
    except log_key.KeyUnreadable as error:
        raise log_export.CannotExport(str(error)) from None
    return {"MANIFEST.json": listed, "MANIFEST.note": note.encode()}


def _manifests(asset: Asset) -> dict[str, bytes]:
    """Return the manifest stores of the uploads behind an image, by their names in the pack."""
    return {
        f"inputs/{entry.sha256}.c2pa": storage.get(entry.manifest_key)
        for entry in _uploads(asset)
        if entry.manifest_key
    }


def _add_inputs(asset: Asset, files: dict[str, bytes]) -> list[PackedInput]:
    """Add the input images to a pack's files; one that no longer exists is only named."""
    jobs = pass_chain.jobs_leading_to(asset.job)
    entries = JobInput.objects.filter(job__in=jobs).order_by("job", "position")
    packed = []
    for entry in entries.select_related("asset"):
        name = ""
        # What was sent, and the upload as it came where the site keeps it.
        for key in (entry.original_storage_key, entry.storage_key):
            try:
                data = storage.get(key) if key else b""
            except storage.FileMissing:
                continue
            if data:
                name = f"inputs/{hashlib.sha256(data).hexdigest()}.{_extension(key)}"
                files[name] = data
        packed.append(PackedInput(entry, name))
    return packed


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


def _facts(
    asset: Asset,
    inputs: Sequence[PackedInput],
    ancestors: Sequence[_Ancestor],
    *,
    reader: Actor,
    inspected: inspection.Inspection,
) -> dict[str, object]:
    job, model = asset.job, asset.attempt.image_model
    passes = pass_chain.jobs_leading_to(job)
    return {
        "asset": str(asset.pk),
        "job": str(job.pk),
        "requested_by": f"{job.actor_kind}:{job.actor_id}",
        "requested_by_name": summary.display_name(pass_chain.root_job(job).requester),
        "sentences": summary.summarize(reader, asset),
        "requested_at": job.created_at.isoformat(),
        "provider": model.provider.name,
        "model": model.provider_model_name,
        "model_version": asset.attempt.model_version or model.version,
        "provider_request_id": asset.attempt.provider_request_id,
        # Parameters as the provider says that it applied them.
        "resolved": asset.attempt.resolved,
        "data_handling": descriptions.recorded_data_handling(asset.attempt),
        "template": shot_choice.template_evidence(job),
        "shot": job.shot or None,
        "brand_kit": brand_kits.evidence_of(job),
        # Of models that are workflows: which version of it ran.
        "workflow": None if asset.attempt.workflow is None else str(asset.attempt.workflow),
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
                "content": entry.content_origin,
                "found_at": entry.found_at or None,
            }
            for entry in _uploads(asset)
        ],
        "inputs": [
            {
                "role": one.entry.role,
                "sha256": one.entry.sha256,
                "file": one.name or None,
                "asset": None if one.entry.asset_id is None else str(one.entry.asset_id),
            }
            for one in inputs
        ],
        "renditions": [
            {"format": r.format, "width": r.width, "height": r.height, "sha256": r.sha256}
            for r in asset.renditions.order_by("format", "width")
        ],
        "ancestors": [
            {
                "asset": str(one.asset.pk),
                "sha256": one.asset.sha256,
                "digital_source_type": one.asset.digital_source_type,
                "has_manifest": bool(one.store),
                "former_files": _former_files(one.asset),
            }
            for one in ancestors
        ],
        "seed": asset.seed,
        "cost": None if job.actual_cost is None else f"{job.actual_cost} {job.currency}",
        "sha256": asset.sha256,
        "original_sha256": asset.original_sha256,
        "former_files": _former_files(asset),
        "digital_source_type": asset.digital_source_type,
        "credentials": inspected.credentials.state,
        "c2pa_signer": inspected.credentials.signer,
        "c2pa_stamped_at": inspected.credentials.time or None,
        # As the provider's file said when it came.
        "provider_credentials": asset.provider_credentials,
        "provider_credentials_whole_in": _whole_in(asset),
        "provider_marks": provider_marks.document_of(asset),
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
        "label": pictures.label_text(asset),
        **summary.review_document(asset),
        "placements": [
            {
                "content": f"{p.content_type.app_label}.{p.content_type.model}:{p.object_id}",
                "label": p.object_label,
                "field": p.field,
                "by": None if p.placed_by is None else summary.display_name(p.placed_by),
                "since": p.placed_at.isoformat(),
                "until": None if p.removed_at is None else p.removed_at.isoformat(),
            }
            for p in asset.placements.select_related("content_type", "placed_by").order_by("pk")
        ],
    }


def _whole_in(asset: Asset) -> list[str]:
    """Return the files of the pack that have the provider's own Content Credentials whole."""
    if not asset.provider_credentials:
        return []
    is_rewritten = asset.former_files.filter(is_original=True).exists()
    found = []
    if not is_rewritten:
        found.append(f"original.{_extension(asset.original_storage_key)}")
    if asset.is_provider_embedded:
        found.append(f"master.{_extension(asset.storage_key)}")
    return found


def _former_files(asset: Asset) -> list[dict[str, str]]:
    """Return what the files of an asset were before an erasure took texts out of their metadata."""
    rows = asset.former_files.select_related("rendition").order_by("pk")
    return [
        {"file": one.name, "sha256": one.sha256, "until": one.replaced_at.isoformat()}
        for one in rows
    ]


def _extension(key: str) -> str:
    return key.rpartition(".")[2]
