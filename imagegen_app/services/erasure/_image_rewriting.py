"""Take erased texts out of the files of one image, and sign them again as they were signed first."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app import database
from imagegen_app.core.source_types import relationship
from imagegen_app.core.types import InputRole
from imagegen_app.engines.base import wake
from imagegen_app.models import Asset, FormerFile, JobInput, Placement, Rendition
from imagegen_app.services.erasure.scopes import MIN_TEXT_CHARS
from imagegen_app.services.foundation import clock, event_log, outbox
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import cache_purge, file_signing, manifests, resigning, storage
from imagegen_app.services.gateways.file_signing import ImageOrigin, ParentFile
from imagegen_app.services.jobs.rebuilding import operation_of, ordered_inputs
from imagegen_app.services.library import delivery, placed_copies, provider_marks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from imagegen_app.core.actors import Actor

REWRITTEN = "asset.rewritten"
_NAMES = ("title", "signer", "issuer", "claim_generator")


@dataclass(slots=True)
class _Rewriting:
    """What changes of an image, collected until it is stored in one transaction."""

    asset: Asset
    #: Columns of the asset.
    changes: dict[str, Any] = field(default_factory=dict)
    renditions: list[tuple[Rendition, dict[str, Any]]] = field(default_factory=list)
    #: Storage keys, before and after.
    pairs: list[dict[str, str]] = field(default_factory=list)
    former: list[FormerFile] = field(default_factory=list)
    #: The new master's bytes; empty if only the original was rewritten.
    master: bytes = b""

    def put(self, folder: str, data: bytes, former: str) -> dict[str, Any]:
        """Store a rewritten file; return the columns that name it, and note its former key."""
        key, sha256 = put(folder, data, former, self.pairs)
        return {"storage_key": key, "sha256": sha256, "byte_size": len(data)}


def put(folder: str, data: bytes, former: str, pairs: list[dict[str, str]]) -> tuple[str, str]:
    """Store a rewritten file; return its key and hash, and note its former key in `pairs`."""
    key, sha256 = storage.put(folder, data, extension=former.rpartition(".")[2])
    pairs.append({"before": former, "after": key})
    return key, sha256


def read(key: str) -> bytes:
    """Return the bytes of a stored file; none if there is no such file."""
    try:
        return storage.get(key) if key else b""
    except storage.FileMissing:
        return b""


def rewrite(asset: Asset, texts: Collection[str], *, writer: bool, actor: Actor) -> bool:
    """Rewrite the files of an image if they carry one of the texts; return whether they did.

    With `writer`, the name of the prompt's writer is taken out, too.

    :raises CannotResign: if a file cannot be rewritten.
    :raises StorageFailed: if the storage fails.
    """
    renditions = list(asset.renditions.order_by("pk"))
    inputs = [entry for entry in ordered_inputs(asset.job) if entry.role != InputRole.MASK]
    #: What the manifest says of uploads, and no longer says: it is no reason to refuse.
    names = {
        str(entry.ingredient_facts.get(name, ""))
        for entry in inputs
        if entry.asset_id is None
        for name in _NAMES
    }
    looked_for = [*texts, *(name for name in names if len(name) >= MIN_TEXT_CHARS)]
    # A file that somebody has deleted holds no text.
    master, original = read(asset.storage_key), read(asset.original_storage_key)
    files = {one.pk: data for one in renditions if (data := read(one.storage_key))}
    is_told = any(
        resigning.has_prompt(one, writer=writer) or resigning.has_text(one, looked_for)
        for one in (master, *files.values())
    )
    has_original_text = resigning.has_text(original, texts)
    if not (is_told or has_original_text):
        return False
    found = _Rewriting(asset)
    if has_original_text:
        original = resigning.original_without_texts(original, texts)
        columns = found.put("originals", original, asset.original_storage_key)
        found.changes |= {f"original_{name}": value for name, value in columns.items()}
        found.former.append(_former(asset, asset.original_sha256, asset.original_byte_size))
        found.former[-1].is_original = True
    if is_told:
        if not master:
            raise resigning.CannotResign(_("The file that the others were made from is missing."))
        signed = resigning.resign_files(
            master,
            [files[one.pk] for one in renditions if one.pk in files],
            texts=texts,
            writer=writer,
            origin=_origin(asset),
            parents=_parents(asset, inputs, original, texts),
        )
        _collect(found, signed, [one for one in renditions if one.pk in files])
    _clean_provider_facts(found, texts)
    _store(found, actor=actor)
    return True


def _collect(
    found: _Rewriting, signed: resigning.ResignedFiles, renditions: Sequence[Rendition]
) -> None:
    """Store the signed files, the master last, and note the columns that tell of them."""
    asset, credentials = found.asset, signed.master.credentials
    for one, data in zip(renditions, signed.renditions, strict=True):
        found.renditions.append((one, found.put("renditions", data, one.storage_key)))
        found.former.append(_former(asset, one.sha256, one.byte_size))
        found.former[-1].rendition = one
    found.changes |= found.put("assets", signed.master.data, asset.storage_key)
    found.former.append(_former(asset, asset.sha256, asset.byte_size))
    found.master = signed.master.data
    answer = signed.master.answer
    found.changes |= {
        "c2pa_state": credentials.state,
        "has_mark_problem": asset.has_mark_problem
        or not provider_marks.is_intact(credentials.state),
        "c2pa_signer": credentials.signer[:160],
        "stamped_at": credentials.stamped_at,
        "marked_at": clock.now(),
        "is_provider_embedded": answer is not None and answer.is_embedded,
    }


def _former(asset: Asset, sha256: str, byte_size: int) -> FormerFile:
    return FormerFile(asset=asset, sha256=sha256, byte_size=byte_size)


def _clean_provider_facts(found: _Rewriting, texts: Collection[str]) -> None:
    """Have the record of the provider's credentials lose its names, if one of them is erased."""
    stored = found.asset.provider_credentials
    if stored and _tells(stored, texts):
        found.changes["provider_credentials"] = manifests.without_names(stored)


def _tells(facts: dict[str, Any], texts: Collection[str]) -> bool:
    return resigning.has_text(json.dumps(facts, ensure_ascii=False).encode(), texts)


@use_case()
def _store(found: _Rewriting, *, actor: Actor) -> None:
    asset, changes = found.asset, found.changes
    copies = list(_replace_copies(found)) if found.master else []
    Asset.objects.filter(pk=asset.pk).update(**changes)
    for rendition, values in found.renditions:
        Rendition.objects.filter(pk=rendition.pk).update(**values)
    FormerFile.objects.bulk_create(found.former)
    if found.master:
        _plan_purge(found, copies)
        # A copy that somebody saved and uploaded by hand tells the text as well.
        key = f"former:{asset.pk}:{changes['sha256'][:32]}"
        outbox.add("former", key, asset=asset, payload={})
        wake("sweep")
    event_log.record(
        actor,
        REWRITTEN,
        subject=asset,
        job=asset.job,
        asset=asset,
        data={
            "files": found.pairs,
            "sha256": changes.get("sha256", asset.sha256),
            "original_sha256": changes.get("original_sha256", asset.original_sha256),
            **(
                {
                    "copies": [
                        {"placement": pk, "before": before, "after": after}
                        for pk, before, after, _url in copies
                    ]
                }
                if copies
                else {}
            ),
        },
    )


def _replace_copies(found: _Rewriting) -> Iterator[tuple[int, str, str, str]]:
    """Replace the copies in the site's content; yield each placement, both names and the old URL."""
    asset, changes = found.asset, found.changes
    for placed, file in placed_copies.copies_of(asset):
        target, store = placed.target, storage.GuardedStorage(file.storage)
        try:
            held = store.read(placed.placed_value)
        except storage.FileMissing:
            continue
        if target is None or storage.file_hash(held) != asset.sha256:
            continue
        extension = asset.storage_key.rpartition(".")[2]
        name = f"{changes['sha256'][:16]}.{extension}"
        saved = store.save(file.field.generate_filename(target, name), found.master)
        yield placed.pk, placed.placed_value, saved, store.url(placed.placed_value)
        database.stored(target).filter(**{placed.field: placed.placed_value}).update(
            **{placed.field: saved}
        )
        same = Placement.objects.filter(content_type=placed.content_type_id, field=placed.field)
        same.filter(placed_value=placed.placed_value).update(placed_value=saved)
        same.filter(previous_value=placed.placed_value).update(previous_value=saved)


def _plan_purge(found: _Rewriting, copies: Sequence[tuple[int, str, str, str]]) -> None:
    """Have the site's caches drop the former files, and the pages that show them."""
    asset = found.asset
    urls = [delivery.public_url(asset), *(delivery.public_url(one) for one, _ in found.renditions)]
    cache_purge.plan(
        asset,
        f"rewritten:{found.changes['sha256'][:32]}",
        urls=[*urls, *(url for _pk, _before, _after, url in copies)],
        placements=Placement.objects.active().filter(asset=asset).order_by("pk"),
        cause="erasure",
    )


def _origin(asset: Asset) -> ImageOrigin:
    """Return what the manifests say of the image's making, as they did when it was made."""
    job, model, made_at = asset.job, asset.attempt.image_model, asset.attempt.answered_at
    return ImageOrigin.of_model(
        title=f"{job.operation} {job.pk}",
        operation=operation_of(job),
        source_type=asset.digital_source_type,
        system=f"{model.provider.name} {model.provider_model_name}",
        version=asset.attempt.model_version or model.version,
        provider=model.provider.name,
        created="" if made_at is None else made_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        document_id=f"xmp.did:{asset.pk}",
    )


def _parents(
    asset: Asset, entries: list[JobInput], original: bytes, texts: Collection[str]
) -> tuple[ParentFile, ...]:
    """Return the files that the image was made from, without what tells of an erased text."""
    operation = operation_of(asset.job)
    first = next(
        (e for e in entries if relationship(operation, InputRole(e.role)) == "parentOf"), None
    )
    parents = [
        ParentFile.by_facts(
            _facts(entry),
            "parentOf" if entry is first else "inputTo",
            is_asset=entry.asset_id is not None,
        )
        for entry in sorted(entries, key=lambda entry: entry is not first)
    ]
    made = file_signing.answer_as_parent(original, asset.original_media_type)
    if made is None and asset.provider_credentials:
        # The file as it came is gone; what it said was noted.
        made = ParentFile.by_facts(asset.provider_credentials, "inputTo", is_answer=True)
    if made is not None:
        facts = made.facts.as_dict()
        if _tells(facts, texts):
            made = ParentFile.by_facts(manifests.without_names(facts), "inputTo", is_answer=True)
        parents.append(made)
    return tuple(parents)


def _facts(entry: JobInput) -> Mapping[str, Any]:
    if entry.asset is None:
        known = manifests.without_names(entry.ingredient_facts)
        return known or {"sha256": entry.sha256, "media_type": entry.media_type}
    data = read(entry.asset.storage_key)
    if not data:
        return {"sha256": entry.asset.sha256, "media_type": entry.asset.media_type}
    return manifests.read_facts(data, entry.asset.media_type).as_dict()
