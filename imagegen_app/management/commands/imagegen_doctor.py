"""Check the running site, and that its data show no lost job and no double billing."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from imagegen_app.core.invariants import VIOLATION_QUERIES
from imagegen_app.services.monitoring import doctor

#: The levels, padded to one width.
_LEVELS = {"ok": "ok     ", "warning": "warning", "error": "error  "}


class Command(BaseCommand):
    """Print the result of each check with a remedy for each problem; fail on any error."""

    help = (
        "Check settings, engine, workers, storage and credentials; "
        "with --invariants, also the data."
    )
    # The command must run although system checks fail, since it reports them.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--invariants",
            action="store_true",
            help="Also check the stored data: no job is stuck, and the amounts add up.",
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the checks and print their results.

        :raises CommandError: if a check found an error or an invariant is violated.
        """
        results = doctor.run_all_checks()
        violated = doctor.violated_invariants() if options["invariants"] else {}
        if options["json"]:
            report: dict[str, Any] = {"findings": [asdict(result) for result in results]}
            if options["invariants"]:
                report["invariants"] = {"looked_at": len(VIOLATION_QUERIES), "broken": violated}
            self.stdout.write(json.dumps(report, ensure_ascii=False))
        elif options["verbosity"] > 0:
            self._print(results, violated, invariants_checked=options["invariants"])
        errors = sum(result.level == "error" for result in results) + len(violated)
        if errors:
            raise CommandError(f"{errors} problem(s) found.", returncode=1)

    def _print(
        self,
        results: list[doctor.CheckResult],
        violated: dict[str, list[str]],
        *,
        invariants_checked: bool,
    ) -> None:
        for result in results:
            self.stdout.write(f"{_LEVELS[result.level]}  {result.part}: {result.message}")
            if result.remedy:
                self.stdout.write(f"         {result.remedy}")
        for name, keys in violated.items():
            self.stdout.write(f"error    invariants: {name}: {', '.join(keys)}")
        if invariants_checked and not violated:
            self.stdout.write(f"ok       invariants: all {len(VIOLATION_QUERIES)} hold.")
