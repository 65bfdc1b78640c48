"""Rewrite the stored files that carry an erased text, and delete what they were before.

The log remembers the files' former keys: an erasure that is interrupted here finds them again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils.translation import gettext as _

from imagegen_app.core.states import FINAL_STATES
from imagegen_app.models import Asset, AuditEvent, JobInput, Placement, Rendition
from imagegen_app.services.erasure._image_rewriting import REWRITTEN, put, read, rewrite
from imagegen_app.services.erasure.scopes import CannotErase
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import cache_purge, resigning, storage
from imagegen_app.services.library import placed_copies

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from uuid import UUID

    from imagegen_app.core.actors import Actor
    from imagegen_app.services.erasure.scopes import ErasedTexts


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
    return resigning.has_text(read(key), texts)


def carries_text(asset: Asset, texts: Collection[str], *, writer: bool) -> bool:
    """Return whether the image's master or original carries one of the texts, or its prompt.

    :raises StorageFailed: if a file cannot be read.
    """
    master = read(asset.storage_key)
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
            count += rewrite(asset, texts.of(asset.job), writer=writer, actor=actor)
        except resigning.CannotSignNow as error:
            raise CannotErase(
                _("Nothing was erased."),
                reason=_("The rewritten files of %(image)s cannot be signed now: %(why)s")
                % {"image": asset, "why": error},
                remedy=_("Try again when that works; nothing is wrong with the image."),
            ) from None
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
            if placed is not None and placed.placed_value != copy["before"]:
                # With the thumbnails that were made of it.
                file = placed_copies.file_of(placed, name=copy["before"])
                urls = [] if file is None else placed_copies.delete(file)
                key = f"copy:{placed.pk}:{storage.file_hash(copy['before'].encode())[:32]}"
                cache_purge.plan(placed.asset, key, urls=urls, cause="erasure")


def is_used(key: str) -> bool:
    """Return whether a row names this stored file."""
    inputs = Q(storage_key=key) | Q(original_storage_key=key) | Q(manifest_key=key)
    return (
        JobInput.objects.filter(inputs).exists()
        or Asset.objects.filter(Q(storage_key=key) | Q(original_storage_key=key)).exists()
        or Rendition.objects.filter(storage_key=key).exists()
    )


def _rewriting_events(keys: Sequence[UUID]) -> list[str]:
    rows = AuditEvent.objects.filter(type=REWRITTEN, job_id__in=keys).order_by("pk")
    return list(rows.values_list("body", flat=True))


def _rewrite_input(entry: JobInput, texts: Collection[str], *, actor: Actor) -> None:
    """Take the texts out of a file that was sent; its recorded hash stays that of what was sent."""
    if entry.job.state not in {state.value for state in FINAL_STATES}:
        return
    data = read(entry.storage_key)
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
    key, _sha256 = put("inputs", changed, entry.storage_key, pairs)
    _store_input(entry, key, pairs, actor=actor)


@use_case()
def _store_input(entry: JobInput, key: str, pairs: list[dict[str, str]], *, actor: Actor) -> None:
    JobInput.objects.filter(pk=entry.pk).update(storage_key=key)
    event_log.record(actor, REWRITTEN, subject=entry, job=entry.job, data={"files": pairs})
