"""Export parts of the log to files that anyone can verify without this site."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imagegen_app.core import log_restores, notes, translog
from imagegen_app.models import Asset, AuditEvent, AuditLeaf, Checkpoint, Job
from imagegen_app.services.audit import log_key, sealing, verification
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import checkpoint_places, publication_status
from imagegen_app.services.jobs import pass_chain
from imagegen_app.services.policy.access import require_permission

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path
    from uuid import UUID

    from imagegen_app.core.actors import Actor

FORMAT: Final = "imagegen-audit-proofs-1"
_CHUNK: Final = 2000


class CannotExport(Exception):
    """The export failed; the message says why."""


@dataclass(frozen=True, slots=True)
class ExportFilter:
    """Which sealed events are exported; all of them by default."""

    since: datetime | None = None
    #: Exclusive: events from this time on are left out.
    until: datetime | None = None
    job: UUID | None = None
    asset: UUID | None = None

    def facts(self) -> dict[str, object]:
        """Return the filters that are set, for the data of the export's event."""
        filters = {"since": self.since, "until": self.until, "job": self.job, "asset": self.asset}
        return {name: value for name, value in filters.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ExportResult:
    """The number of exported events and the two files."""

    count: int
    #: One event body per line, byte for byte as it was hashed.
    bodies: Path
    #: In the first line the signed checkpoint, the log's keys and earlier checkpoints with proofs
    #: that the log continues them, and the restores of the log; then one line of proof per body in
    #: the same order.
    proofs: Path


def export(
    actor: Actor,
    *,
    out: Path,
    selection: ExportFilter,
    earlier: Iterable[int] = (),
    progress: Callable[[int], None] | None = None,
) -> ExportResult:
    """Seal, sign and verify the log, then write the selected events and their inclusion proofs.

    The proofs go to a file beside `out`: `events.jsonl` has `events.proofs.jsonl`. They also show
    that the log continues the checkpoints that were published last, those at which its key was
    replaced, and those of the sizes in `earlier`. `progress` gets the number of events written so
    far.

    :raises NotPermitted: without the permission to export the log.
    :raises CannotExport: if no file is named, or one exists already or cannot be written; if the
        period is empty, no entry is about the job or the asset, the log does not verify, or it has
        no checkpoint of an earlier size.
    :raises KeyUnreadable: if the log's key cannot be read.
    """
    require_permission(actor, "export_audit")
    if not out.name:
        raise CannotExport(_("Name the file to write."))
    if selection.since and selection.until and selection.since >= selection.until:
        raise CannotExport(_("The period ends before it begins."))
    proofs = out.with_name(f"{out.name.removesuffix('.jsonl')}.proofs.jsonl")
    for path in (out, proofs):
        if path.exists():
            raise CannotExport(f"{path} already exists; choose another file.")
    # What keeps it from being sealed is what the verification finds.
    with suppress(sealing.LogDamaged):
        sealing.seal_all()
    _require_known(selection)
    checkpoint = sealing.make_checkpoint(actor, force=True)
    _require_sound_log()
    if checkpoint is None:
        refusal = _("The log is damaged and was not signed; verify it.")
        raise CannotExport(f"{refusal} {publication_status.restore_remedy()}")
    try:
        header = _header(checkpoint, earlier=earlier)
        count = _write(out, proofs, header=header, selection=selection, progress=progress)
    except OSError as error:
        raise CannotExport(f"{out} cannot be written: {error.strerror}.") from None
    except translog.TreeError as error:
        raise CannotExport(f"The log is damaged ({error}); verify it.") from None
    _record(actor, count=count, selection=selection)
    return ExportResult(count, out, proofs)


def _require_known(selection: ExportFilter) -> None:
    """Refuse a job or asset that the log has never heard of: a mistyped one proves nothing.

    :raises CannotExport: if no entry is about it.
    """
    job, asset = selection.job, selection.asset
    # Events remain when their job or asset is deleted.
    if job and not (_is_job(job) or AuditEvent.objects.filter(job_id=job).exists()):
        raise CannotExport(_("No entry of the log is about the job %s.") % job)
    if asset and not (_is_asset(asset) or AuditEvent.objects.filter(asset_id=asset).exists()):
        raise CannotExport(_("No entry of the log is about the asset %s.") % asset)


def _is_job(key: UUID) -> bool:
    return Job.objects.filter(pk=key).exists()


def _is_asset(key: UUID) -> bool:
    return Asset.objects.filter(pk=key).exists()


def _require_sound_log() -> None:
    """Refuse to prove anything with a log that does not verify as a whole, and say where.

    :raises CannotExport: if it does not verify.
    """
    report = verification.verify()
    first = report.first
    if first is None:
        return
    message = ngettext(
        "The log does not verify (%(number)s finding), so nothing is exported. %(finding)s",
        "The log does not verify (%(number)s findings), so nothing is exported. The first: %(finding)s",
        report.finding_count,
    )
    values = {"number": report.finding_count, "finding": first.translated}
    raise CannotExport(f"{message % values} {report.remedy}".rstrip())


def _header(checkpoint: Checkpoint, *, earlier: Iterable[int]) -> dict[str, object]:
    """Return what the proofs need: the checkpoint, the keys, and what the log continues.

    :raises CannotExport: if the log has no checkpoint of an earlier size.
    """
    ring = log_key.ring()
    tiles = translog.TileReader(sealing.fetch_tile)
    notes_by_size = {handover.size: handover.note for handover in ring.handovers}
    for name in checkpoint_places.build_places():
        if copy := publication_status.newest_copy(name):
            notes_by_size.setdefault(copy.checkpoint.size, copy.checkpoint.note)
    for size in earlier:
        row = Checkpoint.objects.filter(size=size, pk__lte=checkpoint.pk).first()
        if row is None:
            raise CannotExport(_("The log has no checkpoint of %s entries.") % size)
        notes_by_size.setdefault(size, row.note)
    return {
        "format": FORMAT,
        "vkey": ring.keys[-1].vkey,
        "checkpoint": checkpoint.note,
        "handovers": [handover.note for handover in ring.handovers],
        "earlier": [
            {
                "checkpoint": note,
                "proof": [
                    item.hex()
                    for item in translog.consistency_proof(
                        tiles, old_size=size, size=checkpoint.size
                    )
                ],
            }
            for size, note in sorted(notes_by_size.items())
        ],
        "restores": list(_restores(checkpoint.size, tiles)),
    }


def _restores(size: int, tiles: translog.TileReader) -> Iterator[dict[str, object]]:
    """Yield the events that say that the log was restored from a backup, with their proofs."""
    rows = AuditLeaf.objects.filter(seq__lt=size, event__type=log_restores.EVENT).order_by("seq")
    for seq, body in rows.values_list("seq", "event__body"):
        proof = translog.inclusion_proof(tiles, index=seq, size=size)
        yield {"seq": seq, "body": body, "proof": [item.hex() for item in proof]}


@use_case()
def _record(actor: Actor, *, count: int, selection: ExportFilter) -> None:
    data = {"count": count, "kind": "audit events", **selection.facts()}
    event_log.record(actor, "export.created", data=data)


def _write(
    out: Path,
    proofs: Path,
    *,
    header: dict[str, object],
    selection: ExportFilter,
    progress: Callable[[int], None] | None,
) -> int:
    """Write both files under temporary names, and rename them when they are complete."""
    partial = [path.with_name(f".{path.name}.{os.getpid()}.partial") for path in (out, proofs)]
    size = notes.parse_checkpoint(notes.parse_note(str(header["checkpoint"])).text).size
    # The log may grow meanwhile, but what is below this size never changes.
    tiles = translog.TileReader(sealing.fetch_tile)
    count = 0
    try:
        with ExitStack() as files:
            bodies_file, proofs_file = (
                files.enter_context(path.open("x", encoding="utf-8", newline="\n"))
                for path in partial
            )
            proofs_file.write(_line(header))
            for seq, leaf, body in _rows(size, selection):
                proof = translog.inclusion_proof(tiles, index=seq, size=size)
                bodies_file.write(f"{body}\n")
                proofs_file.write(
                    _line({"seq": seq, "leaf": leaf.hex(), "proof": [h.hex() for h in proof]})
                )
                count += 1
                if progress is not None and count % _CHUNK == 0:
                    progress(count)
        for path, name in zip(partial, (out, proofs), strict=True):
            path.replace(name)
    finally:
        for path in partial:
            path.unlink(missing_ok=True)
    return count


def _chain_of(job_id: UUID) -> list[UUID]:
    """Return the keys of a job and its chain of passes; the key itself if there is no such job."""
    job = Job.objects.filter(pk=job_id).first()
    return [job_id] if job is None else pass_chain.job_ids_of_image(job)


def _line(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":")) + "\n"


def _rows(size: int, selection: ExportFilter) -> Iterator[tuple[int, bytes, str]]:
    """Yield the position, leaf hash and body of the selected events, in order."""
    conditions = {
        "event__at__gte": selection.since,
        "event__at__lt": selection.until,
        "event__job_id__in": selection.job and _chain_of(selection.job),
        "event__asset_id": selection.asset,
    }
    selected = AuditLeaf.objects.filter(
        seq__lt=size, **{name: value for name, value in conditions.items() if value is not None}
    ).order_by("seq")
    start = 0
    # Page by page: MySQL's driver would load the whole result into memory.
    while page := list(
        selected.filter(seq__gte=start).values_list("seq", "hash", "event__body")[:_CHUNK]
    ):
        for seq, digest, body in page:
            yield seq, bytes(digest), body
        start = page[-1][0] + 1
