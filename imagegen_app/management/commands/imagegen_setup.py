"""Set the site up from a file: providers, models, groups, grants and budgets."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.core.management.base import CommandError, CommandParser

from imagegen_app.core.actors import System
from imagegen_app.management.base import DatabaseCommand
from imagegen_app.services.gateways import setup_reader
from imagegen_app.services.policy import site_setup
from imagegen_app.services.policy.access import ActionRefused
from imagegen_app.services.policy.site_setup import InvalidSetup, SetupAction

if TYPE_CHECKING:
    from imagegen_app.services.policy.site_setup import SetupChange, SetupReport

SHELL: Final = System("shell")
_DIFFERENT, _INVALID = 1, 2
_MAX_CHARS = 70
_WORDS = {SetupAction.CREATE: "new", SetupAction.UPDATE: "changed"}


class Command(DatabaseCommand):
    """Carry out what a file describes, in one transaction; a second run changes nothing.

    Exits with 2 if the file is not valid, and with 1 if `--check` finds a difference.
    """

    help = (
        "Set the site up from a file of TOML, JSON or YAML: providers, models, groups with their people, "
        "grants and budgets. What is there stays, what differs is changed, all of it or nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, metavar="FILE")
        parser.add_argument(
            "--example", action="store_true", help="Print an example of a file, with comments."
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="Only show what would be done; nothing is written.",
        )
        parser.add_argument(
            "--check",
            action="store_true",
            help="As --dry-run, and exit with 1 if anything would be done.",
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print the example, or carry the file out.

        :raises CommandError: if there is no file, it is not valid, or `--check` finds a difference.
        """
        if options["example"]:
            self.stdout.write(setup_reader.EXAMPLE.read_text(encoding="utf-8"), ending="")
            return
        if options["file"] is None:
            raise CommandError(
                "Name a file; --example prints one to begin with.", returncode=_INVALID
            )
        carry_out = (
            site_setup.preview if options["dry_run"] or options["check"] else site_setup.apply
        )
        try:
            report = carry_out(actor=SHELL, setup=site_setup.read(options["file"]))
        except InvalidSetup as refusal:
            raise self._invalid(refusal, as_json=options["json"]) from None
        except ActionRefused as refusal:
            raise CommandError(str(refusal), returncode=_INVALID) from None
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(report), default=str))
        else:
            self._write(report)
        if options["check"] and report.has_changes:
            raise CommandError("The site differs from the file.", returncode=_DIFFERENT)

    def _invalid(self, refusal: InvalidSetup, *, as_json: bool) -> CommandError:
        if as_json:
            found = [{"place": place, "problem": text} for place, text in refusal.problems]
            self.stdout.write(json.dumps({"problems": found}))
        lines = [f"- {place}: {text}" if place else f"- {text}" for place, text in refusal.problems]
        return CommandError("\n".join([refusal.message, *lines]), returncode=_INVALID)

    def _write(self, report: SetupReport) -> None:
        for one in report.changes:
            if one.action is not SetupAction.UNCHANGED:
                self.stdout.write(f"{one.kind} {one.name}: {_WORDS[one.action]}")
                for line in _lines(one):
                    self.stdout.write(f"  {line}")
        counts = {
            action: sum(one.action is action for one in report.changes) for action in SetupAction
        }
        head = "This would be done (nothing was written): " if report.is_dry_run else "Done: "
        self.stdout.write(
            f"{head}{counts[SetupAction.CREATE]} new, {counts[SetupAction.UPDATE]} changed, "
            f"{counts[SetupAction.UNCHANGED]} as they are."
        )


def _lines(change: SetupChange) -> list[str]:
    return [
        f"{one.field}: {_shown(one.wanted)}"
        if one.current is None
        else f"{one.field}: {_shown(one.current)} → {_shown(one.wanted)}"
        for one in change.differences
    ]


def _shown(value: object) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        text = ", ".join(value)
    elif isinstance(value, dict | list):
        text = json.dumps(value, ensure_ascii=False)
    else:
        text = str(value)
    return text if len(text) <= _MAX_CHARS else f"{text[: _MAX_CHARS - 1]}…"


def _as_json(report: SetupReport) -> dict[str, Any]:
    return {
        "dry_run": report.is_dry_run,
        "changed": report.has_changes,
        "changes": [asdict(one) for one in report.changes],
    }
