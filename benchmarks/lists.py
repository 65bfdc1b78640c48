"""Read lists of a thousand and of a million images, ours and stock ones, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.report import Report, Row, median

ROOT = Path(__file__).resolve().parent.parent
SMALL, LARGE = 1_000, 1_000_000
#: Of a page at a million rows against that at a thousand.
GROWTH = 1.25
#: What a page may take longer, whatever it took: below it, two measurements of one page differ.
SLACK_MS = 15.0
SEARCH_MS = 100.0
DATABASE = "imagegen_lists"


def run(*, rounds: int) -> Report:
    """Fill a database, time its lists, fill it further, time them again."""
    rows: list[Row] = []
    ratios: dict[str, float] = {}
    is_flat = finds = True
    with tempfile.TemporaryDirectory() as folder:
        for vendor in ("sqlite", "postgresql"):
            environment = _environment(vendor, Path(folder))
            _create(vendor, environment)
            few = _times(environment, SMALL, rounds=rounds)
            many = _times(environment, LARGE, rounds=rounds)
            for name, milliseconds in few.items():
                ratio = many[name] / milliseconds
                figures = {"ms at 1,000": milliseconds, "ms at 1,000,000": many[name]}
                rows.append(Row(f"{vendor}: {name}", {**figures, "times": float(f"{ratio:.3g}")}))
                if name.startswith("stock"):
                    continue
                ratios[f"{vendor}: {name}"] = ratio
                if name.startswith("search"):
                    # What the search adds to the page.
                    finds &= many[name] - many["library"] <= SEARCH_MS
                elif "one " not in name:
                    is_flat &= many[name] <= max(GROWTH * milliseconds, milliseconds + SLACK_MS)
    return Report(
        name="lists",
        rows=rows,
        ratios=ratios,
        goals={
            "flat": f"at most {GROWTH:g} times the page of a thousand, deep pages included",
            "search": f"words are found within {SEARCH_MS:g} ms",
        },
        met={"flat": is_flat, "search": finds},
    )


def _environment(vendor: str, folder: Path) -> dict[str, str]:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "benchmarks.parts.list_settings",
        "IMAGEGEN_DEMO_DIR": str(folder),
        "PYTHONPATH": str(ROOT),
        "IMAGEGEN_LISTS_DATABASE": DATABASE,
    }
    if vendor == "sqlite":
        environment["IMAGEGEN_LISTS_SQLITE"] = str(folder / "lists.sqlite3")
    return environment


def _create(vendor: str, environment: dict[str, str]) -> None:
    if vendor == "postgresql":
        import psycopg  # noqa: PLC0415 - only where it is used

        host, user = os.environ.get("PGHOST", "127.0.0.1"), os.environ.get("PGUSER", "postgres")
        with psycopg.connect(host=host, user=user, dbname="postgres", autocommit=True) as server:
            server.execute(f"drop database if exists {DATABASE}")
            server.execute(f"create database {DATABASE}")
    _run(["manage.py", "migrate", "-v0"], environment)


def _times(environment: dict[str, str], number: int, *, rounds: int) -> dict[str, float]:
    _run(["-m", "benchmarks.parts.many_images", str(number)], environment)
    print(f"{number} images", file=sys.stderr)
    found: list[dict[str, float]] = [
        json.loads(_run(["-m", "benchmarks.parts.list_times"], environment)) for _ in range(rounds)
    ]
    return {name: median([one[name] for one in found]) for name in found[0]}


def _run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout
