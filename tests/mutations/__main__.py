"""Plant each fault and say whether the tests notice: `python -m tests.mutations`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.mutations.planted_faults import PLANTED_FAULTS
from tests.mutations.runner import Outcome, TreeCopy

_NOT_SOUND = 2


def main() -> int:
    """Judge the faults; 0 if all were killed, 1 if not, 2 if the tests fail without any fault."""
    options = _options()
    chosen = [f for f in PLANTED_FAULTS if not options.only or f.name in options.only]
    results = []
    with tempfile.TemporaryDirectory(prefix="imagegen-mutations-") as folder:
        copy = TreeCopy(Path(folder))
        code, output = copy.run_tests(dict.fromkeys(t for fault in chosen for t in fault.tests))
        if code:
            sys.stderr.write(f"The tests fail without any fault:\n{output[-4000:]}\n")
            return _NOT_SOUND
        for fault in chosen:
            result = copy.judge(fault)
            results.append(result)
            # Told at once: the whole list takes minutes.
            sys.stderr.write(f"{result.outcome:<20} {result.seconds:6.1f} s  {fault.name}\n")
            if result.outcome is not Outcome.KILLED:
                sys.stderr.write(f"    {fault.why}\n")
    killed = sum(result.outcome is Outcome.KILLED for result in results)
    if options.json:
        sys.stdout.write(json.dumps([asdict(result) for result in results], indent=2) + "\n")
    else:
        sys.stdout.write(f"{killed} of {len(results)} planted faults were killed.\n")
    return 0 if killed == len(results) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        choices=[fault.name for fault in PLANTED_FAULTS],
        help="judge this fault alone; may be given several times",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
