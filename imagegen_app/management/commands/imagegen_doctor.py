"""Examine the running site, and prove that nothing was lost or billed twice."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from imagegen_app.core.invariants import VIOLATION_QUERIES
from imagegen_app.services.monitoring import doctor

_MARKS = {"ok": "ok     ", "warning": "warning", "error": "error  "}


class Command(BaseCommand):
    """Print what works, what does not, and the remedy for each problem; fail if anything is wrong."""

    help = "Check settings, engine, workers, storage and credentials; with --invariants, also the data."
    # It has to run where the checks fail, for it tells of them.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--invariants",
            action="store_true",
            help="Also check the stored data: no job is stuck, and the amounts add up.",
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Examine.

        :raises CommandError: if anything is wrong.
        """
        findings = doctor.run_all_checks()
        broken = doctor.violated_invariants() if options["invariants"] else {}
        if options["json"]:
            found: dict[str, Any] = {"findings": [asdict(finding) for finding in findings]}
            if options["invariants"]:
                found["invariants"] = {"looked_at": len(VIOLATION_QUERIES), "broken": broken}
            self.stdout.write(json.dumps(found, ensure_ascii=False))
        elif options["verbosity"] > 0:
            self._print(findings, broken, proved=options["invariants"])
        errors = sum(finding.level == "error" for finding in findings) + len(broken)
        if errors:
            raise CommandError(f"{errors} problem(s) found.", returncode=1)

    def _print(
        self, findings: list[doctor.CheckResult], broken: dict[str, list[str]], *, proved: bool
    ) -> None:
        for finding in findings:
            self.stdout.write(f"{_MARKS[finding.level]}  {finding.part}: {finding.message}")
            if finding.remedy:
                self.stdout.write(f"         {finding.remedy}")
        for name, keys in broken.items():
            self.stdout.write(f"error    invariants: {name}: {', '.join(keys)}")
        if proved and not broken:
            self.stdout.write(f"ok       invariants: all {len(VIOLATION_QUERIES)} hold.")
