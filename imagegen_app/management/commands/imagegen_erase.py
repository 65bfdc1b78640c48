"""Erase personal texts, and prove it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError, CommandParser

from imagegen_app.core.actors import System
from imagegen_app.management.base import DatabaseCommand
from imagegen_app.services.erasure import commands, preview, scopes
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from imagegen_app.services.erasure.preview import ErasurePreview

SHELL = System("shell")


class Command(DatabaseCommand):
    """Show what would be erased of a person or job; with `--yes`, erase it and search for it.

    It exits with 1 if something of it was found again.
    """

    help = "Erase the texts of a person, or the prompt of a job, and search for what is left."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "subject", metavar="SUBJECT", help="person:42, a login name, or the ID of a job."
        )
        parser.add_argument("--yes", action="store_true", help="Erase; without it, only preview.")
        parser.add_argument("--reason", default="", help="Why; kept beside the log.")
        parser.add_argument(
            "--also-search",
            action="store_true",
            help="Read further texts to look for from standard input, one a line.",
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *_args: Any, **options: Any) -> None:
        also = sys.stdin.read().splitlines() if options["also_search"] else []
        try:
            scope = scopes.find_scope(options["subject"])
            if not options["yes"]:
                self._write_preview(preview.preview(SHELL, scope), as_json=options["json"])
                return
            report = commands.erase(SHELL, scope, reason=options["reason"], also_search=also)
        except ActionRefused as refusal:
            raise CommandError(str(refusal)) from None
        self._write_report(report, as_json=options["json"])
        if not report.proof.is_clean:
            raise CommandError("Something of it was found again.", returncode=1)

    def _write_preview(self, seen: ErasurePreview, *, as_json: bool) -> None:
        tables = {line.label: line.count for line in seen.tables}
        files = {line.label: line.count for line in seen.files}
        if as_json:
            told = {"jobs": seen.jobs, "tables": tables, "files": files}
            told |= {"against": seen.reason_against, "unread_images": seen.unread_images}
            self.stdout.write(json.dumps(told))
            return
        for label, count in (*tables.items(), *files.items()):
            self.stdout.write(f"{count:8} {label}")
        if seen.is_empty:
            self.stdout.write("Nothing is left to erase.")
        if seen.unread_images:
            self.stdout.write(f"{seen.unread_images} more images were not looked into.")
        self.stdout.write(seen.reason_against or "Nothing was erased: give --yes and --reason.")

    def _write_report(self, report: commands.ErasureReport, *, as_json: bool) -> None:
        found = report.proof
        told = {
            "erased_texts": report.texts,
            "clean": found.is_clean,
            "texts": found.texts,
            "columns": found.columns,
            "files": found.files,
            "found": {one.place: one.count for one in found.findings},
            "elsewhere": {one.place: one.count for one in found.elsewhere},
            "not_searched": list(found.not_searched),
            "problem": report.problem,
        }
        if as_json:
            self.stdout.write(json.dumps(told))
            return
        state = "nothing was found again" if found.is_clean else "FOUND AGAIN"
        self.stdout.write(
            f"{report.texts} texts beside the log were erased; {found.texts} texts were looked for "
            f"in {found.columns} columns and {found.files} files: {state}."
        )
        for one in found.findings:
            self.stdout.write(f"- {one.place}: {one.count}")
        for one in found.elsewhere:
            self.stdout.write(f"The same words elsewhere, which stay: {one.place}: {one.count}")
        for place in found.not_searched:
            self.stdout.write(f"Not searched: {place}")
        if report.problem:
            self.stdout.write(f"The database's file could not be written anew: {report.problem}.")
