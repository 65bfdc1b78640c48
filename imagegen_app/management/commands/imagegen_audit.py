"""Verify, sign, publish and export the audit log, and replace its key."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from imagegen_app.core.actors import System
from imagegen_app.services.audit import (
    key_rotation,
    log_export,
    log_key,
    publication,
    sealing,
    verification,
    verification_runs,
)
from imagegen_app.services.audit.log_key import KeyUnreadable

if TYPE_CHECKING:
    from imagegen_app.services.audit.verification import VerificationReport

SHELL = System("shell")


class Command(BaseCommand):
    """Verify that the log is unaltered, sign and publish it, or export events with their proofs."""

    help = "Verify, sign, publish or export the audit log, or replace its key."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(
            dest="verb", required=True, metavar="verify|checkpoint|publish|export|keys|rotate-key"
        )
        verify = verbs.add_parser("verify", help="Verify the log; exits with 1 if it was altered.")
        verify.add_argument(
            "--since", type=int, help="Trust the checkpoint of this size and verify from there."
        )
        verify.add_argument("--json", action="store_true", help="Print one JSON object.")
        checkpoint = verbs.add_parser("checkpoint", help="Seal and sign the log now.")
        checkpoint.add_argument("--json", action="store_true", help="Print one JSON object.")
        publish = verbs.add_parser(
            "publish",
            help="Seal, sign and publish the log to all places now; exits with 1 if one failed.",
        )
        publish.add_argument("--json", action="store_true", help="Print one JSON object.")
        keys = verbs.add_parser("keys", help="Print the public keys of the log with their ranges.")
        keys.add_argument("--json", action="store_true", help="Print one JSON object.")
        rotate = verbs.add_parser("rotate-key", help="Replace the key that signs the log.")
        rotate.add_argument(
            "--new-key",
            metavar="FILE.pem",
            help="The new key, where IMAGEGEN['AUDIT']['SIGNING_KEY'] names the old one.",
        )
        rotate.add_argument("--json", action="store_true", help="Print one JSON object.")
        export = verbs.add_parser("export", help="Write events and proofs that anyone can verify.")
        export.add_argument("--out", required=True, metavar="FILE.jsonl", help="File to write.")
        export.add_argument(
            "--from", dest="since", help="Start of the period (inclusive), such as 2026-11-01."
        )
        export.add_argument("--to", dest="until", help="End of the period (exclusive).")
        export.add_argument("--job", help="Only events of this job.")
        export.add_argument("--asset", help="Only events of this asset.")
        export.add_argument(
            "--earlier",
            type=int,
            action="append",
            metavar="SIZE",
            help="Also prove that the log continues its checkpoint of this size; may be repeated.",
        )
        export.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            getattr(self, options["verb"].replace("-", "_"))(options)
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

    def publish(self, options: dict[str, Any]) -> None:
        """Seal, sign and publish the log to all places now.

        :raises CommandError: if there are no places, the log was not signed, or a place failed.
        """
        sealing.seal_all()
        if sealing.make_checkpoint(SHELL, force=True) is None:
            raise CommandError("The log was not signed: it is empty or failed verification.")
        problems = publication.publish(SHELL, force=True)
        if not problems:
            raise CommandError("IMAGEGEN['AUDIT']['PUBLISH_TO'] names no places.")
        if options["json"]:
            self.stdout.write(json.dumps(problems))
        else:
            for place, problem in problems.items():
                self.stdout.write(f"{place}: {problem or 'published'}")
        if any(problems.values()):
            raise CommandError("The log was not published to all places.", returncode=1)

    def keys(self, options: dict[str, Any]) -> None:
        """Print the public keys of the log with the sizes that each of them signs."""
        ranges = log_key.ring().keys
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    [{"vkey": key.vkey, "first": key.first, "last": key.last} for key in ranges]
                )
            )
            return
        for key in ranges:
            last = "" if key.last is None else f"{key.last}, retired"
            self.stdout.write(f"{key.vkey} ({key.first} to {last or 'now'})")

    def rotate_key(self, options: dict[str, Any]) -> None:
        """Replace the key that signs the log, and publish that.

        :raises CommandError: if the key was not replaced.
        """
        file = options["new_key"]
        try:
            done = key_rotation.rotate(SHELL, new_key=Path(file) if file else None)
        except key_rotation.CannotRotate as error:
            raise CommandError(str(error)) from None
        problems = publication.publish(SHELL, force=True)
        if options["json"]:
            facts = {"old": done.old, "new": done.new, "size": done.size, "problems": problems}
            self.stdout.write(json.dumps(facts))
            return
        self.stdout.write(f"Retired at {done.size} entries: {done.old}\nNew key: {done.new}")
        for place, problem in problems.items():
            self.stdout.write(f"{place}: {problem or 'published'}")
        if done.must_change_setting:
            self.stdout.write(
                f"Now set IMAGEGEN['AUDIT']['SIGNING_KEY'] to {file} and restart the workers: until "
                "then the log is not signed. Delete the old key."
            )

    def export(self, options: dict[str, Any]) -> None:
        """Write the selected events and their proofs."""
        selection = log_export.ExportFilter(
            since=_time(options["since"], "--from"),
            until=_time(options["until"], "--to"),
            job=_id(options["job"], "--job"),
            asset=_id(options["asset"], "--asset"),
        )
        try:
            result = log_export.export(
                SHELL,
                out=Path(options["out"]),
                selection=selection,
                earlier=options["earlier"] or (),
            )
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
        self.stdout.write(f"{report.copies} copies outside of the database were compared.")
        for place, problem in report.unreached.items():
            self.stdout.write(f"Not compared: the copies in {place} ({problem}).")
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
        "copies": report.copies,
        "unreached": dict(report.unreached),
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
