"""Sweep once, for sites whose scheduler is cron or a timer."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser

from imagegen_app.management.base import DatabaseCommand
from imagegen_app.services.worker import sweep


class Command(DatabaseCommand):
    """Wake a worker for due and abandoned jobs, seal the audit log and remove left-over files."""

    help = (
        "Sweep once: wake a worker for due and abandoned jobs, seal the audit log and remove "
        "left-over files."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *_args: Any, **options: Any) -> None:
        due = sweep.sweep()
        if options["json"]:
            self.stdout.write(json.dumps({"due": due}))
        elif options["verbosity"] > 0:
            self.stdout.write(
                f"{due} jobs are due; a worker was woken." if due else "No jobs are due."
            )
