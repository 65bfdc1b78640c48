"""Write prompt templates to a file, or import them from one."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.core.management.base import CommandError, CommandParser

from imagegen_app.core.actors import System
from imagegen_app.core.description_files import write_file
from imagegen_app.management.base import DatabaseCommand
from imagegen_app.models import PromptTemplate
from imagegen_app.services.job_requests import template_files
from imagegen_app.services.job_requests.template_files import FileAction, InvalidTemplateFile
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagegen_app.services.job_requests.template_files import FileChange

SHELL: Final = System("shell")
_INVALID: Final = 2
_WORDS = {
    FileAction.CREATE: "new",
    FileAction.UPDATE: "new version",
    FileAction.UNCHANGED: "as it is",
}


class Command(DatabaseCommand):
    """Export the published versions of templates, or import a file; exits with 2 if it is not valid."""

    help = (
        "Write prompt templates to a file of YAML or JSON, or import such a file: what is new is created, "
        "what differs gets a new version, all of it or nothing. A second import changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        export = actions.add_parser("export", help="Write templates to a file.")
        export.add_argument(
            "slugs", nargs="*", metavar="SLUG", help="Short names; by default all of the site."
        )
        export.add_argument(
            "--output",
            type=Path,
            metavar="FILE",
            help="Ends in .yaml or .json; by default JSON is printed.",
        )
        read = actions.add_parser("import", help="Import the templates of a file.")
        read.add_argument("file", type=Path, metavar="FILE")
        read.add_argument("--dry-run", action="store_true", help="Only show what would be done.")
        read.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do what was asked.

        :raises CommandError: if a template does not exist, or the file is not valid or cannot be written.
        """
        if options["action"] == "export":
            self._export(options["slugs"], options["output"])
        else:
            self._import(options["file"], options)

    def _export(self, slugs: Sequence[str], output: Path | None) -> None:
        rows = PromptTemplate.objects.select_related("current__image_model").order_by("slug")
        if slugs:
            rows = rows.filter(slug__in=slugs)
            found = {one.slug for one in rows}
            if missing := [one for one in slugs if one not in found]:
                raise CommandError(f"There is no template “{missing[0]}”.", returncode=_INVALID)
        document = template_files.export(actor=SHELL, rows=rows)
        ending = output.suffix.lower() if output else ".json"
        if ending not in {".yaml", ".yml", ".json"}:
            raise CommandError(
                "The name of the file must end in .yaml or .json.", returncode=_INVALID
            )
        text = write_file(document, ending=ending)
        if output is None:
            self.stdout.write(text, ending="")
            return
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{output} cannot be written ({error.strerror}).") from None
        self.stdout.write(f"{len(document['templates'])} templates were written to {output}.")

    def _import(self, file: Path, options: dict[str, Any]) -> None:
        carry_out = template_files.plan if options["dry_run"] else template_files.import_templates
        try:
            found = carry_out(actor=SHELL, document=template_files.read(file))
        except InvalidTemplateFile as refusal:
            if options["json"]:
                told = [{"place": place, "problem": text} for place, text in refusal.problems]
                self.stdout.write(json.dumps({"problems": told}))
            lines = [
                f"- {place}: {text}" if place else f"- {text}" for place, text in refusal.problems
            ]
            raise CommandError("\n".join([refusal.message, *lines]), returncode=_INVALID) from None
        except ActionRefused as refusal:
            raise CommandError(str(refusal), returncode=_INVALID) from None
        if options["json"]:
            told_rows = [
                {**asdict(one), "parts": list(one.parts), "notes": list(one.notes)} for one in found
            ]
            self.stdout.write(json.dumps({"dry_run": options["dry_run"], "templates": told_rows}))
        else:
            self._write(found, is_dry_run=options["dry_run"])

    def _write(self, found: Sequence[FileChange], *, is_dry_run: bool) -> None:
        for one in found:
            if one.action is not FileAction.UNCHANGED:
                parts = f" ({', '.join(one.parts)})" if one.parts else ""
                self.stdout.write(f"{one.slug}: {_WORDS[one.action]}{parts}")
            for note in one.notes:
                self.stdout.write(f"{one.slug}: {note}")
        counts = (sum(one.action is action for one in found) for action in FileAction)
        said = ", ".join(
            f"{count} {word}" for count, word in zip(counts, _WORDS.values(), strict=True)
        )
        head = "This would be done (nothing was written): " if is_dry_run else "Done: "
        self.stdout.write(f"{head}{said}.")
