"""Try waiting jobs again at once, after what they wait for was mended."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser

from imagegen_app.core.actors import System
from imagegen_app.core.states import WaitingReason
from imagegen_app.management.base import DatabaseCommand
from imagegen_app.services.job_requests import waiting_jobs


class Command(DatabaseCommand):
    """Try all jobs again at once that wait for one thing of the site."""

    help = (
        "Try all jobs again at once that wait for one thing of the site, such as its storage or "
        "signing certificate. They continue by themselves, too, but later."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        reasons = [reason.value for reason in WaitingReason]
        parser.add_argument("reason", choices=reasons, help="What the jobs wait for.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *_args: Any, **options: Any) -> None:
        reason = WaitingReason(options["reason"])
        count = waiting_jobs.try_again_now(actor=System("shell"), reason=reason)
        if options["json"]:
            self.stdout.write(json.dumps({"tried": count}))
        elif options["verbosity"] > 0:
            self.stdout.write(
                f"Jobs that are tried again now: {count}." if count else "No jobs wait for this."
            )
