"""Verify, sign and export the audit log."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from imagegen_app.core.actors import System
from imagegen_app.services.audit import log_export, sealing, verification, verification_runs
from imagegen_app.services.audit.log_key import KeyUnreadable

if TYPE_CHECKING:
    from imagegen_app.services.audit.verification import VerificationReport

SHELL = System("shell")


class Command(BaseCommand):
    """Verify that the log is unaltered, sign it, or export events with their proofs."""

    help = "Verify, sign or export the audit log."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(
            dest="verb", required=True, metavar="verify|checkpoint|export"
        )
        verify = verbs.add_parser("verify", help="Verify the log; exits with 1 if it was altered.")
        verify.add_argument(
            "--since", type=int, help="Trust the checkpoint of this size and verify from there."
        )
        verify.add_argument("--json", action="store_true", help="Print one JSON object.")
        checkpoint = verbs.add_parser("checkpoint", help="Seal and sign the log now.")
        checkpoint.add_argument("--json", action="store_true", help="Print one JSON object.")
        export = verbs.add_parser("export", help="Write events and proofs that anyone can verify.")
        export.add_argument("--out", required=True, metavar="FILE.jsonl", help="File to write.")
        export.add_argument(
            "--from", dest="since", help="Start of the period (inclusive), such as 2026-11-01."
        )
        export.add_argument("--to", dest="until", help="End of the period (exclusive).")
        export.add_argument("--job", help="Only events of this job.")
        export.add_argument("--asset", help="Only events of this asset.")
        export.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            getattr(self, options["verb"])(options)
        except (KeyUnreadable, sealing.SealerBusy) as error:
            raise CommandError(str(error)) from None

    def verify(self, options: dict[str, Any]) -> None:
        """Seal waiting events, verify the log and print the result.

        :raises CommandError: if the log was altered, or there is no checkpoint of this size.
        """
        try:
            report = verification_runs.verify_and_record(SHELL, since=options["since"])
        except verification.NoSuchCheckpoint as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            self.stdout.write(json.dumps(_as_dict(report)))
        else:
            self._write_report(report)
        if not report.ok:
            raise CommandError("The log failed verification.", returncode=1)

    def checkpoint(self, options: dict[str, Any]) -> None:
        """Seal and sign the log now.

        :raises CommandError: if there is nothing to sign, or the log failed verification.
        """
        sealing.seal_all()
        checkpoint = sealing.make_checkpoint(SHELL, force=True)
        if checkpoint is None:
            raise CommandError("The log was not signed: it is empty or failed verification.")
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {
                        "size": checkpoint.size,
                        "root": checkpoint.root,
                        "note": checkpoint.note,
                        "vkey": sealing.vkey(),
                    }
                )
            )
            return
        self.stdout.write(checkpoint.note)
        self.stdout.write(f"Key: {sealing.vkey()}")

    def export(self, options: dict[str, Any]) -> None:
        """Write the selected events and their proofs."""
        selection = log_export.ExportFilter(
            since=_time(options["since"], "--from"),
            until=_time(options["until"], "--to"),
            job=_id(options["job"], "--job"),
            asset=_id(options["asset"], "--asset"),
        )
        try:
            result = log_export.export(SHELL, out=Path(options["out"]), selection=selection)
        except log_export.CannotExport as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            paths = {"bodies": str(result.bodies), "proofs": str(result.proofs)}
            self.stdout.write(json.dumps({"count": result.count, **paths}))
        else:
            self.stdout.write(f"{result.count} events: {result.bodies}, {result.proofs}")

    def _write_report(self, report: VerificationReport) -> None:
        state = "unaltered" if report.ok else "ALTERED"
        self.stdout.write(f"{report.size} entries, {state}. Root {report.root}.")
        self.stdout.write(
            f"{report.checkpoints} checkpoints match, "
            f"{report.unsealed} entries are not sealed yet, "
            f"{report.erased} personal texts were erased. {report.seconds:.2f} s."
        )
        for finding in report.findings:
            position = "" if finding.seq is None else f"entry {finding.seq}: "
            self.stdout.write(f"- {position}{finding.message}")
        if report.finding_count > len(report.findings):
            self.stdout.write(f"… and {report.finding_count - len(report.findings)} more.")


def _as_dict(report: VerificationReport) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "size": report.size,
        "root": report.root,
        "checkpoints": report.checkpoints,
        "unsealed": report.unsealed,
        "erased": report.erased,
        "seconds": round(report.seconds, 3),
        "finding_count": report.finding_count,
        "findings": [
            {"kind": f.kind, "seq": f.seq, "event": f.event_id, "message": f.message}
            for f in report.findings
        ],
    }


def _time(text: str | None, option: str) -> datetime | None:
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"{option} {text!r} is not a date or time; write 2026-11-01 or 2026-11-01T12:00."
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _id(text: str | None, option: str) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise CommandError(f"{option} {text!r} is not a valid ID.") from None
