"""Read lists of a thousand and of a million images, ours and stock ones, on SQLite and PostgreSQL.

`IMAGEGEN_LISTS_ROWS` says how many instead of a million.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.report import Report, Row, median

ROOT = Path(__file__).resolve().parent.parent
SMALL, LARGE = 1_000, int(os.environ.get("IMAGEGEN_LISTS_ROWS", "1000000"))
#: Of a page at a million rows against that at a thousand.
GROWTH = 1.25
#: What a page may take longer, whatever it took: below it, two measurements of one page differ.
SLACK_MS = 15.0
SEARCH_MS = 100.0
DATABASE = "imagegen_lists"


def run(*, rounds: int) -> Report:
    """Fill two databases, and time their lists in turn, so that both meet the same neighbours."""
    rows: list[Row] = []
    ratios: dict[str, float] = {}
    is_flat = finds = True
    with tempfile.TemporaryDirectory() as folder:
        for vendor in ("sqlite", "postgresql"):
            sizes = [_filled(vendor, Path(folder), number) for number in (SMALL, LARGE)]
            times: list[list[dict[str, float]]] = [[], []]
            for _ in range(rounds):
                for found, environment in zip(times, sizes, strict=True):
                    found.append(_times(environment))
            if vendor == "postgresql":
                names = [environment["IMAGEGEN_LISTS_DATABASE"] for environment in sizes]
                _tell_server(*(f"drop database {name}" for name in names))
            few, many = (
                {name: median([r[name] for r in found]) for name in found[0]} for found in times
            )
            for name, milliseconds in few.items():
                ratio = many[name] / milliseconds
                figures = {f"ms at {SMALL:,}": milliseconds, f"ms at {LARGE:,}": many[name]}
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


def _filled(vendor: str, folder: Path, number: int) -> dict[str, str]:
    environment = _environment(vendor, folder, number)
    _create(vendor, environment)
    _run(["-m", "benchmarks.parts.many_images", str(number)], environment)
    print(f"{vendor}: {number} images", file=sys.stderr)
    return environment


def _environment(vendor: str, folder: Path, number: int) -> dict[str, str]:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "benchmarks.parts.list_settings",
        "IMAGEGEN_DEMO_DIR": str(folder),
        "PYTHONPATH": str(ROOT),
        "IMAGEGEN_LISTS_DATABASE": f"{DATABASE}_{number}",
    }
    if vendor == "sqlite":
        environment["IMAGEGEN_LISTS_SQLITE"] = str(folder / f"{number}.sqlite3")
    return environment


def _create(vendor: str, environment: dict[str, str]) -> None:
    if vendor == "postgresql":
        name = environment["IMAGEGEN_LISTS_DATABASE"]
        _tell_server(f"drop database if exists {name}", f"create database {name}")
    _run(["manage.py", "migrate", "-v0"], environment)


def _tell_server(*statements: str) -> None:
    import psycopg  # noqa: PLC0415 - only where it is used

    host, user = os.environ.get("PGHOST", "127.0.0.1"), os.environ.get("PGUSER", "postgres")
    with psycopg.connect(host=host, user=user, dbname="postgres", autocommit=True) as server:
        for statement in statements:
            server.execute(statement)


def _times(environment: dict[str, str]) -> dict[str, float]:
    found: dict[str, float] = json.loads(_run(["-m", "benchmarks.parts.list_times"], environment))
    return found


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
