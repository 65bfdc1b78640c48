"""Try a seeded sample of a package's mutants on the tests: `python -m tests.mutations.sample`."""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.architecture.tree import ROOT
from tests.mutations.covering_tests import CoveringTests

if TYPE_CHECKING:
    from tests.mutations.sampled_mutants import Mutant

#: Tests of other processes, of pages in a browser and of the tree itself run no line in theirs.
_NOT_COVERING = (
    *("architecture", "browser", "databases", "engines", "faults", "fuzz", "imaging"),
    *("journeys", "js", "mutations", "typing"),
)
_MARKS = "not (slow or browser or live or mysql or postgresql or rabbitmq or redis)"
_PYTEST = (
    sys.executable,
    "-m",
    "pytest",
    "-n",
    "0",
    "-q",
    "-p",
    "no:randomly",
    "-p",
    "no:cacheprovider",
)
_KILLED = ("killed", "timed out")


def main() -> int:
    """Try the sample; 0 if at most every tenth mutant is alive, else 1."""
    options = _options()
    from tests.mutations.sampled_mutants import draw_sample  # noqa: PLC0415 - nothing else needs mutmut

    sample, all_count = draw_sample(options.package, seed=options.seed, count=options.count)
    if options.only:
        sample = [mutant for mutant in sample if mutant.name in options.only]
    with tempfile.TemporaryDirectory(prefix="imagegen-sample-") as folder:
        records = options.covering or [_record(options.package, Path(folder))]
        covering = CoveringTests()
        for record in records:
            covering.add(record)
        results = _Trial(options, Path(folder), covering).run(sample)
    report = {
        "package": options.package,
        "seed": options.seed,
        "mutants": all_count,
        "sampled": len(sample),
        "killed": sum(result["outcome"] in _KILLED for result in results),
        "results": results,
    }
    alive = [result for result in results if result["outcome"] not in _KILLED]
    if options.json:
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    else:
        for result in alive:
            sys.stdout.write(f"{result['outcome']}: {result['name']}\n{result['change']}\n")
        sys.stdout.write(f"{report['killed']} of {len(sample)} sampled mutants were killed.\n")
    return 0 if 10 * len(alive) <= len(sample) else 1


def _record(package: str, folder: Path) -> Path:
    """Run the tests once, and record which of them run which lines of the package."""
    target = folder / "covering.json"
    ignored = [f"--ignore=tests/{name}" for name in _NOT_COVERING]
    options = [f"--covering-tests={target}", f"--covered-packages=imagegen_app/{package}"]
    plugin = ("-p", "tests.mutations.covering_tests")
    subprocess.run(
        [*_PYTEST, *plugin, *options, *ignored, "-m", _MARKS, "tests"],
        cwd=ROOT,
        check=False,  # a test that fails is left out
        stdout=sys.stderr,
    )
    return target


class _Trial:
    """The runs of one sample."""

    def __init__(self, options: argparse.Namespace, folder: Path, covering: CoveringTests) -> None:
        self._options = options
        self._folder = folder
        self._covering = covering
        own = ROOT / "tests" / options.package
        while not own.is_dir():
            own = own.parent
        self._own = f"{own.relative_to(ROOT)}/"
        (folder / "site").mkdir()

    def run(self, sample: list[Mutant]) -> list[dict[str, Any]]:
        """Try mutants inside of functions in one process, and each other one in its own."""
        tasks = [self._task(mutant) for mutant in sample]
        inside = [task for task in tasks if task["function"]]
        results = self._run(inside, is_loaded=False)
        for task in tasks:
            if not task["function"] or results[task["name"]]["outcome"] == "not applied":
                results.update(self._run([task], is_loaded=True))
        killers = {
            result["test"]: result
            for result in results.values()
            if result.get("is_loaded") and result["test"]
        }
        controls = [
            {"name": test, "module": "", "function": "", "source": "", "tests": [test]}
            for test in killers
        ]
        for test, control in self._run(controls, is_loaded=False).items():
            if control["outcome"] != "alive":
                killers[test]["outcome"] = "killed by a test that fails without it"
        return [{**asdict(mutant), "source": "", **results[mutant.name]} for mutant in sample]

    def _task(self, mutant: Mutant) -> dict[str, Any]:
        first, last = mutant.lines
        lines = range(first, last + 1)
        function = mutant.function
        covering = self._covering.of(mutant.module, lines) if function else set()
        tests = self._in_order(covering, mutant.module)
        if not tests:
            # It may be run while the site starts, as module constants are.
            function = ""
            # Whoever uses the constant is asked first, then everybody who uses the module.
            near = self._covering.of(mutant.module, _lines_that_use(mutant.module, lines))
            far = self._covering.of_module(mutant.module)
            far |= {test for test in self._covering.seconds if test.startswith(self._own)}
            tests = [
                test
                for group in (near, far - near)
                for test in self._in_order(group, mutant.module)
            ]
        return {**asdict(mutant), "function": function, "tests": tests}

    def _in_order(self, tests: set[str], module: str) -> list[str]:
        """Begin with quick tests of different modules; the package's own count as twice as quick.

        Those of the module's own test module count as ten times as quick.
        """
        own_module = f"/test_{Path(module).stem.strip('_')}.py::"
        ranks: dict[str, int] = {}
        order = []
        for test in sorted(tests, key=lambda test: (self._covering.seconds[test], test)):
            place = test.partition("::")[0]
            ranks[place] = ranks.get(place, 0) + 1
            factor = 0.1 if own_module in test else 0.5 if test.startswith(self._own) else 1
            cost = self._covering.seconds[test] * ranks[place] * factor
            order.append((cost, test))
        return [test for _cost, test in sorted(order)]

    def _run(self, tasks: list[dict[str, Any]], *, is_loaded: bool) -> dict[str, dict[str, Any]]:
        if not tasks:
            return {}
        task, results = self._folder / "task.json", self._folder / "results.jsonl"
        results.write_text("", encoding="utf-8")
        content = {
            "mutants": tasks,
            "seconds": self._covering.seconds,
            "results": str(results),
            "folder": str(self._folder / "site"),
            "log": str(self._options.log or os.devnull),
            "most_seconds": self._options.most_seconds,
        }
        task.write_text(json.dumps(content), encoding="utf-8")
        environment = {
            **os.environ,
            "IMAGEGEN_DEMO_DIR": content["folder"],
            "PYTHONPATH": str(ROOT),
        }
        if is_loaded:
            environment["IMAGEGEN_MUTANT"] = str(task)
        files = sorted({test.partition("::")[0] for one in tasks for test in one["tests"]})
        plugin = ("-s", "-p", "tests.mutations.mutant_runs", f"--mutants={task}")
        ended = subprocess.run(
            [*_PYTEST, *plugin, *files],
            cwd=ROOT,
            env=environment,
            check=False,
            stdout=subprocess.PIPE,
            text=True,
        )
        read = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
        found = {result.pop("name"): {**result, "is_loaded": is_loaded} for result in read}
        for one in tasks:
            if one["name"] not in found and is_loaded:  # nothing can be imported with it
                found[one["name"]] = {"outcome": "killed", "test": "", "error": "not imported"}
            elif one["name"] not in found:
                raise RuntimeError(ended.stdout[-4000:])
        return found


def _lines_that_use(module: str, lines: range) -> set[int]:
    """Return the lines of a module that read a name which is assigned in some of its lines."""
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    names = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.lineno in lines
    }
    return {
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names)
        or (isinstance(node, ast.Attribute) and node.attr in names)
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations.sample", description=__doc__)
    parser.add_argument("--package", required=True, help="such as services/jobs")
    parser.add_argument("--seed", type=int, default=1, help="what the sample is drawn with")
    parser.add_argument("--count", type=int, default=150, help="how many mutants are drawn")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument(
        "--covering",
        metavar="FILE",
        type=Path,
        action="append",
        help="a record of covering tests that was made before; may be given several times",
    )
    parser.add_argument(
        "--only", metavar="NAME", action="append", help="try these of the sample alone"
    )
    parser.add_argument(
        "--most-seconds", type=float, default=300, help="how long one mutant's tests may take"
    )
    parser.add_argument("--log", metavar="FILE", type=Path, help="keep what the tests print")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
