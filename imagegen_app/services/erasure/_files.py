"""Rewrite the stored files that carry an erased text, and delete what they were before.

The log remembers the files' former keys: an erasure that is interrupted here finds them again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import FileField, Q
from django.utils.translation import gettext as _

from imagegen_app.core.source_types import relationship
from imagegen_app.core.states import FINAL_STATES
from imagegen_app.core.types import InputRole
from imagegen_app.models import Asset, AuditEvent, JobInput, Placement, Rendition
from imagegen_app.services.erasure.scopes import MIN_TEXT_CHARS, CannotErase
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import manifests, resigning, storage
from imagegen_app.services.jobs.rebuilding import operation_of, ordered_inputs
from imagegen_app.services.library import placed_copies as site_copies

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from uuid import UUID

    from imagegen_app.core.actors import Actor
    from imagegen_app.services.erasure.scopes import ErasedTexts

REWRITTEN = "asset.rewritten"
_MEDIA_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
}
_NAMES = ("title", "signer", "issuer", "claim_generator")


@dataclass(frozen=True, slots=True)
class PlacedCopy:
    """A copy of an image in a file field of the site's content."""

    placement: Placement
    field: FileField
    store: storage.GuardedStorage


def assets_of(keys: Sequence[UUID]) -> Iterator[Asset]:
    """Yield the images of these jobs."""
    rows = Asset.objects.filter(job_id__in=keys).select_related(
        "job", "attempt__image_model__provider"
    )
    return rows.order_by("pk").iterator(chunk_size=200)


def is_carrying(key: str, texts: Collection[str]) -> bool:
    """Return whether a stored file holds one of the texts; a missing one holds nothing.

    :raises StorageFailed: if it cannot be read.
    """
    return resigning.has_text(_read(key), texts)


def carries_text(asset: Asset, texts: Collection[str], *, writer: bool) -> bool:
    """Return whether the image's master or original carries one of the texts, or its prompt.

    :raises StorageFailed: if a file cannot be read.
    """
    master = _read(asset.storage_key)
    return (
        resigning.has_prompt(master, writer=writer)
        or resigning.has_text(master, texts)
        or is_carrying(asset.original_storage_key, texts)
    )


def rewrite_files(keys: Sequence[UUID], texts: ErasedTexts, *, writer: bool, actor: Actor) -> int:
    """Rewrite the files of these jobs' images that carry a text of theirs; return how many images.

    With `writer`, the name of the prompt's writer is taken out, too.

    :raises CannotErase: if a file cannot be rewritten, with the reason; those before it are.
    :raises StorageFailed: if the storage fails.
    """
    count = 0
    for asset in assets_of(keys):
        try:
            count += _rewrite(asset, texts.of(asset.job), writer=writer, actor=actor)
        except resigning.CannotResign as error:
            raise CannotErase(
                _("Nothing was erased."),
                reason=_("The files of %(image)s carry the text and cannot be rewritten: %(why)s")
                % {"image": asset, "why": error},
                remedy=_("Mend that, or take the image down and delete its files; then try again."),
            ) from None
    for entry in JobInput.objects.filter(job_id__in=keys).select_related("job").order_by("pk"):
        _rewrite_input(entry, texts.of(entry.job), actor=actor)
    return count


def former_keys(keys: Sequence[UUID]) -> list[str]:
    """Return the storage keys of files that were rewritten, as the log remembers them."""
    return [
        pair["before"]
        for body in _rewriting_events(keys)
        for pair in json.loads(body)["data"].get("files", [])
    ]


def delete_former_files(keys: Sequence[UUID]) -> None:
    """Delete the files of these jobs that were rewritten; safe to repeat.

    :raises StorageFailed: if a file cannot be deleted at present.
    """
    for key in former_keys(keys):
        if not is_used(key):
            storage.delete(key)
    for body in _rewriting_events(keys):
        for copy in json.loads(body)["data"].get("copies", []):
            placed = Placement.objects.filter(pk=copy["placement"]).first()
            found = None if placed is None else placed_copy(placed)
            if found is not None and found.placement.placed_value != copy["before"]:
                # With the thumbnails that were made of it.
                content = found.placement.target or found.field.model()
                site_copies.delete(found.field.attr_class(content, found.field, copy["before"]))


def is_used(key: str) -> bool:
    """Return whether a row names this stored file."""
    inputs = Q(storage_key=key) | Q(original_storage_key=key) | Q(manifest_key=key)
    return (
        JobInput.objects.filter(inputs).exists()
        or Asset.objects.filter(Q(storage_key=key) | Q(original_storage_key=key)).exists()
        or Rendition.objects.filter(storage_key=key).exists()
    )


def placed_copies(asset: Asset) -> Iterator[PlacedCopy]:
    """Yield the copies of an image in the site's storages, one for each file.

    Also those that an object held before: they stay, since removing the next image restores them.
    """
    seen: set[tuple[int, str, str]] = set()
    rows = Placement.objects.filter(asset=asset).exclude(placed_value="").order_by("pk")
    for placed in rows.select_related("content_type"):
        identity = (placed.content_type_id, placed.field, placed.placed_value)
        if identity in seen:
            continue
        seen.add(identity)
        found = placed_copy(placed)
        if found is not None:
            yield found


def placed_copy(placed: Placement) -> PlacedCopy | None:
    """Return where the copy of a placement is; None if the field holds no file of its own."""
    model = placed.content_type.model_class()
    try:
        field = None if model is None else model._meta.get_field(placed.field)  # noqa: SLF001 - Django's documented API
    except FieldDoesNotExist:
        return None
    if not isinstance(field, FileField):
        return None
    return PlacedCopy(placed, field, storage.GuardedStorage(field.storage))


def _rewriting_events(keys: Sequence[UUID]) -> list[str]:
    rows = AuditEvent.objects.filter(type=REWRITTEN, job_id__in=keys).order_by("pk")
    return list(rows.values_list("body", flat=True))


def _rewrite(asset: Asset, texts: Collection[str], *, writer: bool, actor: Actor) -> bool:
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
    master, original = _read(asset.storage_key), _read(asset.original_storage_key)
    files = {one.pk: data for one in renditions if (data := _read(one.storage_key))}
    is_told = any(
        resigning.has_prompt(one, writer=writer) or resigning.has_text(one, looked_for)
        for one in (master, *files.values())
    )
    has_original_text = resigning.has_text(original, texts)
    if not (is_told or has_original_text):
        return False
    changes: dict[str, Any] = {}
    pairs: list[dict[str, str]] = []
    changed: list[tuple[Rendition, dict[str, Any]]] = []
    if has_original_text:
        original = resigning.original_without_texts(original, texts)
        changes |= _put("originals", original, asset.original_storage_key, pairs, "original_")
    new_master = b""
    if is_told:
        if not master:
            raise resigning.CannotResign(_("The file that the others were made from is missing."))
        origin = _origin(asset, inputs, original, texts)
        new_master, state = resigning.resign_master(
            master, asset.media_type, texts=texts, writer=writer, origin=origin
        )
        for one in renditions:
            if one.pk not in files:
                continue
            data = resigning.resign_rendition(
                files[one.pk],
                _MEDIA_TYPES[one.format],
                texts=texts,
                writer=writer,
                origin=origin,
                master=(new_master, asset.media_type),
            )
            changed.append((one, _put("renditions", data, one.storage_key, pairs)))
        changes |= _put("assets", new_master, asset.storage_key, pairs)
        changes |= {"c2pa_state": state, "marked_at": clock.now()}
    _store(asset, changes, changed, pairs, master=new_master, actor=actor)
    return True


def _read(key: str) -> bytes:
    """Return the bytes of a stored file; none if there is no such file."""
    try:
        return storage.get(key) if key else b""
    except storage.FileMissing:
        return b""


def _put(
    folder: str, data: bytes, former: str, pairs: list[dict[str, str]], prefix: str = ""
) -> dict[str, Any]:
    """Store a rewritten file; return the columns that name it, and note its former key."""
    key, sha256 = storage.put(folder, data, extension=former.rpartition(".")[2])
    pairs.append({"before": former, "after": key})
    return {
        f"{prefix}storage_key": key,
        f"{prefix}sha256": sha256,
        f"{prefix}byte_size": len(data),
    }


@use_case()
def _store(
    asset: Asset,
    changes: dict[str, Any],
    renditions: list[tuple[Rendition, dict[str, Any]]],
    pairs: list[dict[str, str]],
    *,
    master: bytes,
    actor: Actor,
) -> None:
    copies = []
    for copy in placed_copies(asset) if master else ():
        placed = copy.placement
        target = placed.target
        try:
            held = copy.store.read(placed.placed_value)
        except storage.FileMissing:
            continue
        if target is None or hashlib.sha256(held).hexdigest() != asset.sha256:
            continue
        extension = asset.storage_key.rpartition(".")[2]
        name = f"{changes['sha256'][:16]}.{extension}"
        saved = copy.store.save(copy.field.generate_filename(target, name), master)
        copies.append({"placement": placed.pk, "before": placed.placed_value, "after": saved})
        of_content = type(target)._base_manager.using(target._state.db)  # noqa: SLF001 - Django's documented API
        of_content.filter(pk=target.pk, **{placed.field: placed.placed_value}).update(
            **{placed.field: saved}
        )
        same = Placement.objects.filter(content_type=placed.content_type_id, field=placed.field)
        same.filter(placed_value=placed.placed_value).update(placed_value=saved)
        same.filter(previous_value=placed.placed_value).update(previous_value=saved)
    Asset.objects.filter(pk=asset.pk).update(**changes)
    for rendition, values in renditions:
        Rendition.objects.filter(pk=rendition.pk).update(**values)
    event_log.record(
        actor,
        REWRITTEN,
        subject=asset,
        job=asset.job,
        asset=asset,
        data={
            "files": pairs,
            "sha256": changes.get("sha256", asset.sha256),
            "original_sha256": changes.get("original_sha256", asset.original_sha256),
            **({"copies": copies} if copies else {}),
        },
    )


def _rewrite_input(entry: JobInput, texts: Collection[str], *, actor: Actor) -> None:
    """Take the texts out of a file that was sent; its recorded hash stays that of what was sent."""
    if entry.job.state not in {state.value for state in FINAL_STATES}:
        return
    data = _read(entry.storage_key)
    if not resigning.has_text(data, texts):
        return
    try:
        changed = resigning.original_without_texts(data, texts)
    except resigning.CannotResign as error:
        raise CannotErase(
            _("Nothing was erased."),
            reason=_("An input image carries the text and cannot be rewritten: %(why)s")
            % {"why": error},
            remedy=_("Delete the file, then try again."),
        ) from None
    pairs: list[dict[str, str]] = []
    key = _put("inputs", changed, entry.storage_key, pairs)["storage_key"]
    _store_input(entry, key, pairs, actor=actor)


@use_case()
def _store_input(entry: JobInput, key: str, pairs: list[dict[str, str]], *, actor: Actor) -> None:
    JobInput.objects.filter(pk=entry.pk).update(storage_key=key)
    event_log.record(actor, REWRITTEN, subject=entry, job=entry.job, data={"files": pairs})


def _origin(
    asset: Asset, entries: list[JobInput], original: bytes, texts: Collection[str]
) -> resigning.Origin:
    """Return what the manifest says of the image's making, as it did when the image was made."""
    job, model = asset.job, asset.attempt.image_model
    operation = operation_of(job)
    first = next(
        (e for e in entries if relationship(operation, InputRole(e.role)) == "parentOf"), None
    )
    ordered = sorted(entries, key=lambda entry: entry is not first)
    inputs = [_facts(entry) for entry in ordered]
    made = resigning.facts_of_file(original, asset.original_media_type)
    if made["state"] != "none":
        told = json.dumps(made, ensure_ascii=False).encode()
        inputs.append(manifests.without_names(made) if resigning.has_text(told, texts) else made)
    made_at = asset.attempt.answered_at
    return resigning.Origin(
        title=f"{job.operation} {job.pk}",
        operation=operation,
        digital_source_type=asset.digital_source_type,
        agent_name=f"{model.provider.name} {model.provider_model_name}",
        agent_version=asset.attempt.model_version or model.version,
        provider=model.provider.name,
        created="" if made_at is None else made_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        document_id=f"xmp.did:{asset.pk}",
        inputs=tuple(inputs),
        changed_inputs=0 if first is None else 1,
    )


def _facts(entry: JobInput) -> dict[str, str]:
    if entry.asset is None:
        known = manifests.without_names(entry.ingredient_facts)
        return known or {"sha256": entry.sha256, "media_type": entry.media_type}
    try:
        data = storage.get(entry.asset.storage_key)
    except storage.FileMissing:
        return {"sha256": entry.asset.sha256, "media_type": entry.asset.media_type}
    return resigning.facts_of_file(data, entry.asset.media_type)
