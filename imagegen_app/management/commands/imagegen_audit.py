"""Verify, sign, publish and export the audit log, replace its key, and accept a restore."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from imagegen_app.core import log_restores
from imagegen_app.core.actors import System
from imagegen_app.management.base import DatabaseCommand
from imagegen_app.services.audit import (
    key_rotation,
    log_export,
    log_key,
    publication,
    restores,
    sealing,
    verification,
    verification_runs,
)
from imagegen_app.services.audit.log_key import KeyUnreadable
from imagegen_app.services.gateways import publication_status

if TYPE_CHECKING:
    from imagegen_app.services.audit.restores import LostBranch
    from imagegen_app.services.audit.verification import VerificationReport

SHELL = System("shell")
VERBS = ("verify", "checkpoint", "publish", "export", "keys", "rotate-key", "accept-restore")


class Command(DatabaseCommand):
    """Verify that the log is unaltered, sign and publish it, or export events with their proofs."""

    help = "Verify, sign, publish or export the audit log, replace its key, or accept a restore."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="|".join(VERBS))
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
        restore = verbs.add_parser(
            "accept-restore",
            help="Say what a restored backup lost of the published log; with --size, give it up.",
        )
        restore.add_argument(
            "--size", type=int, help="Entries of the largest published checkpoint that is given up."
        )
        restore.add_argument("--reason", default="", help="Why; kept beside the log.")
        restore.add_argument("--json", action="store_true", help="Print one JSON object.")
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
        except (KeyUnreadable, sealing.LogDamaged, sealing.SealerBusy) as error:
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
            raise CommandError(_not_signed())
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
            raise CommandError(_not_signed())
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

    def accept_restore(self, options: dict[str, Any]) -> None:
        """Say what a restored backup lost; with a size, give it up, publish and verify.

        :raises CommandError: if there is nothing to accept, or it was not accepted.
        """
        size = options["size"]
        try:
            if size is None:
                lost = restores.find(SHELL)
            else:
                lost = restores.accept(SHELL, size=size, reason=options["reason"])
        except restores.CannotAccept as error:
            raise CommandError(str(error)) from None
        problems, is_sound = {}, True
        if size is not None:
            problems = publication.publish(SHELL, force=True)
            is_sound = verification_runs.verify_and_record(SHELL).ok
        if options["json"]:
            facts = {"accepted": size is not None, "published": lost.size, "root": lost.root}
            facts |= {"places": lost.places, "kept": lost.kept, "present": lost.present}
            facts |= {"lost": lost.lost_count, "checkpoints": len(lost.checkpoints)}
            facts |= {"unreached": dict(lost.unreached), "problems": problems, "ok": is_sound}
            self.stdout.write(json.dumps(facts))
        else:
            self._write_lost(lost, is_accepted=size is not None)
            for place, problem in problems.items():
                self.stdout.write(f"{place}: {problem or 'published'}")
        if not is_sound:
            raise CommandError("The log still fails verification: run imagegen_audit verify.")

    def _write_lost(self, lost: LostBranch, *, is_accepted: bool) -> None:
        self.stdout.write(
            f"Published in {', '.join(lost.places)}: {lost.size} entries. The log has {lost.present} "
            f"entries, and is known to continue what was published up to {lost.kept}."
        )
        self.stdout.write(
            f"{'Given up' if is_accepted else 'To give up'}: {lost.lost_count} entries, from "
            f"{lost.kept} to {lost.size - 1}, and {len(lost.checkpoints)} published checkpoints."
        )
        for place, problem in lost.unreached.items():
            self.stdout.write(f"Not compared: the copies in {place} ({problem}).")
        if not is_accepted:
            self.stdout.write(
                "Nothing was changed. Look for a newer backup first. If there is none, run again "
                f'with --size {lost.size} --reason "…": an alarm in the log will say so for ever.'
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
        for restore in report.restores:
            self.stdout.write(f"WARNING: {log_restores.WARNING % restore.facts}")
        if report.given_up:
            self.stdout.write(f"{report.given_up} copies belong to what was given up by that.")
        for finding in report.findings:
            position = "" if finding.seq is None else f"entry {finding.seq}: "
            self.stdout.write(f"- {position}{finding.message}")
        if report.finding_count > len(report.findings):
            self.stdout.write(f"… and {report.finding_count - len(report.findings)} more.")
        if report.remedy:
            self.stdout.write(report.remedy)


def _as_dict(report: VerificationReport) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "size": report.size,
        "root": report.root,
        "checkpoints": report.checkpoints,
        "copies": report.copies,
        "unreached": dict(report.unreached),
        "restores": [
            {
                "at": one.at,
                "published": one.size,
                "root": one.root,
                "places": one.places,
                "kept": one.kept,
                "present": one.present,
                "message": log_restores.WARNING % one.facts,
            }
            for one in report.restores
        ],
        "given_up_copies": report.given_up,
        "remedy": report.remedy,
        "unsealed": report.unsealed,
        "erased": report.erased,
        "seconds": round(report.seconds, 3),
        "finding_count": report.finding_count,
        "findings": [
            {"kind": f.kind, "seq": f.seq, "event": f.event_id, "message": f.message}
            for f in report.findings
        ],
    }


def _not_signed() -> str:
    return (
        "The log was not signed: it is empty or failed verification. Run manage.py imagegen_audit "
        f"verify: it says where. {publication_status.restore_remedy()}"
    )


def _time(text: str | None, option: str) -> datetime | None:
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
        # Within the years that a database can compare.
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise CommandError(
            f"{option} {text!r} is not a date or time; write 2026-11-01 or 2026-11-01T12:00."
        ) from None


def _id(text: str | None, option: str) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise CommandError(f"{option} {text!r} is not a valid ID.") from None
