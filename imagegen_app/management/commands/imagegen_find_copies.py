"""Search the site's files for copies of withdrawn images, and take them down."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from imagegen_app.management.base import DatabaseCommand
from imagegen_app.services.library import copy_search, takedown


class Command(DatabaseCommand):
    """Find copies that were uploaded after the withdrawal; fail if a storage could not be searched."""

    help = (
        "Search all file fields of the site for copies of withdrawn images, also for those uploaded "
        "since the withdrawal; clear the fields and delete the files."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Search once.

        :raises CommandError: if a storage failed, so that some files were not searched or deleted.
        """
        is_away = False
        try:
            count = copy_search.search_all()
        except copy_search.StorageAway as away:
            is_away, count = True, int(away.progress["found"])
        remaining = takedown.delete_copies()
        if options["json"]:
            self.stdout.write(json.dumps({"found": count, "not_deleted_yet": remaining}))
        elif options["verbosity"] > 0:
            self.stdout.write(f"Copies found and taken down: {count}.")
        if is_away or remaining:
            raise CommandError("A storage failed; run the command again later.", returncode=1)
