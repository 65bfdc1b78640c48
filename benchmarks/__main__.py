"""Run a benchmark by name: `python -m benchmarks NAME [--json]`."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from pathlib import Path

NOT_BENCHMARKS = {"__main__", "report"}


def names() -> dict[str, str]:
    """Return every benchmark with the first line of its text."""
    found = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name not in NOT_BENCHMARKS and not module.ispkg:
            text = importlib.import_module(f"benchmarks.{module.name}").__doc__ or ""
            found[module.name] = text.strip().split("\n", maxsplit=1)[0]
    return found


def main() -> int:
    """Run one, and say by the exit code whether it met its goals: 0 yes, 1 no, 2 not run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", help="the benchmark; none: list them")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; medians are reported (3)")
    options = parser.parse_args()
    known = names()
    if options.name is None:
        for name, text in sorted(known.items()):
            print(f"{name:14}{text}")
        return 0
    if options.name not in known:
        print(
            f"{options.name!r} is not a known benchmark; available: {', '.join(sorted(known))}.",
            file=sys.stderr,
        )
        return 2
    if options.rounds < 1:
        print("--rounds must be 1 or more.", file=sys.stderr)
        return 2
    report = importlib.import_module(f"benchmarks.{options.name}").run(rounds=options.rounds)
    print(report.as_json() if options.json else report.as_text())
    return 0 if all(report.met.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
