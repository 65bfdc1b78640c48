"""List the files of placed images that the site serves without the AI marking."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError, CommandParser

from imagegen_app.management.base import DatabaseCommand
from imagegen_app.services.library import served_marks

if TYPE_CHECKING:
    from imagegen_app.services.library.served_marks import ServedFile


class Command(DatabaseCommand):
    """Print each file without a mark, with the content that it belongs to; fail if there is one."""

    help = (
        "List copies of placed images, and thumbnails of them, that the site serves without the AI "
        "marking, as thumbnailers make them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Look at every file and print what is found.

        :raises CommandError: if a file bears no mark, or cannot be read.
        """
        count, found = 0, []
        for file in served_marks.served_files():
            count += 1
            if file.state != "marked":
                found.append(file)
                if not options["json"]:
                    self.stdout.write(_line(file))
        if options["json"]:
            rows = [_row(file) for file in found]
            self.stdout.write(json.dumps({"looked_at": count, "files": rows}, ensure_ascii=False))
        elif options["verbosity"] > 0 and not found:
            self.stdout.write(f"All files bear the AI marking: {count}.")
        if found:
            raise CommandError(f"{len(found)} of {count} file(s) found.", returncode=1)


def _line(file: ServedFile) -> str:
    return f"{file.state:10}  {file.placement}: {file.kind} {file.url or file.name}"


def _row(file: ServedFile) -> dict[str, str]:
    placed = file.placement
    kind = placed.content_type
    return {
        "state": file.state,
        "kind": file.kind,
        "url": file.url,
        "file": file.name,
        "asset": str(placed.asset_id),
        "content": f"{kind.app_label}.{kind.model}:{placed.object_id}",
        "field": placed.field,
    }
