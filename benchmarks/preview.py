"""Upload, preview and start 10,000 rows, page by page, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.report import Report, Row, median

ROOT = Path(__file__).resolve().parent.parent
ROWS = 10_000
PAGE_SECONDS, START_SECONDS = 2.0, 10.0
DATABASE = "imagegen_preview"
#: What starts a batch; all else is a page that is looked at.
STARTS = ("start", "jobs made")


def run(*, rounds: int) -> Report:
    """Time the pages of a table and of selected objects; the goals are for PostgreSQL."""
    rows: list[Row] = []
    met = {"pages": True, "start": True}
    with tempfile.TemporaryDirectory() as folder:
        for vendor in ("sqlite", "postgresql"):
            environment = _environment(vendor, Path(folder))
            found: list[dict[str, list[float]]] = []
            for number in range(rounds):
                if vendor == "postgresql":
                    _renew_database()
                Path(environment["IMAGEGEN_LISTS_SQLITE"] or "-").unlink(missing_ok=True)
                found.append(_times(environment))
                print(f"{vendor}: round {number + 1} of {rounds}", file=sys.stderr)
            seconds = {name: median([one[name][0] for one in found]) for name in found[0]}
            rows += [
                Row(
                    f"{vendor}: {name}",
                    {
                        "rows": ROWS,
                        "s": value,
                        # What is left of it on a machine without neighbours, but for the database.
                        "CPU s": median([one[name][1] for one in found]),
                    },
                )
                for name, value in seconds.items()
            ]
            if vendor == "postgresql":
                pages = [v for n, v in seconds.items() if not n.endswith((*STARTS, "upload"))]
                starts = [
                    seconds[f"{kind}, start"] + seconds[f"{kind}, jobs made"]
                    for kind in ("objects", "table")
                ]
                met = {
                    "pages": max(pages) < PAGE_SECONDS,
                    "start": max(starts) < START_SECONDS,
                }
                _tell_server(f"drop database if exists {DATABASE}")
    return Report(
        name="preview",
        rows=rows,
        goals={
            "pages": f"each page of the preview answers within {PAGE_SECONDS:g} s on PostgreSQL",
            "start": f"all rows are jobs within {START_SECONDS:g} s on PostgreSQL",
        },
        met=met,
    )


def _environment(vendor: str, folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "benchmarks.parts.list_settings",
        "IMAGEGEN_DEMO_DIR": str(folder),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "IMAGEGEN_LISTS_DATABASE": DATABASE,
        "IMAGEGEN_LISTS_SQLITE": str(folder / "preview.sqlite3") if vendor == "sqlite" else "",
    }


def _renew_database() -> None:
    _tell_server(f"drop database if exists {DATABASE}", f"create database {DATABASE}")


def _tell_server(*statements: str) -> None:
    import psycopg  # noqa: PLC0415 - only where it is used

    host, user = os.environ.get("PGHOST", "127.0.0.1"), os.environ.get("PGUSER", "postgres")
    with psycopg.connect(host=host, user=user, dbname="postgres", autocommit=True) as server:
        for statement in statements:
            server.execute(statement)


def _times(environment: dict[str, str]) -> dict[str, list[float]]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.parts.preview_times", str(ROWS)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found
