"""Claim a batch from a million jobs, 100,000 of them queued, beside a thousand."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

from benchmarks.report import Report, Row, median
from tests.engines.engine_site import LANES, Site

SMALL = {"queued": 100, "ended": 900}
LARGE = {"queued": 100_000, "ended": 900_000}
TIMES = 40
GOAL = 1.5
#: Copies of the first job: every column as it is, but for these.
ENDED = {
    "id": "gen_random_uuid()",
    "state": "'succeeded'",
    "due_at": "null",
    "finished_at": "now()",
    "created_at": "now() - n * interval '1 second'",
    "actual_cost": "0",
}
QUEUED = {
    "id": "gen_random_uuid()",
    "due_at": "now() - interval '1 second'",
    "queue_order": "n",
    "created_at": "now() - n * interval '1 second'",
    "priority": "case when n % 50 = 0 then 10 else 0 end",
}


def run(*, rounds: int) -> Report:
    """Fill a table, claim; fill it further, claim again."""
    with tempfile.TemporaryDirectory() as folder:
        server = SimpleNamespace(base_url="http://127.0.0.1:9", key="sk-benchmark")
        site = Site(LANES["postgresql"], Path(folder) / "site", server)  # type: ignore[arg-type]
        with site:
            site.web.call("request", count=1)
            _fill(site, SMALL)
            small = [_claims(site) for _ in range(rounds)]
            _fill(site, {name: LARGE[name] - SMALL[name] for name in LARGE})
            large = [_claims(site) for _ in range(rounds)]
    few, many = median(small), median(large)
    return Report(
        name="scale",
        rows=[
            Row("1,000 jobs", {"ms a claim of 32": few}),
            Row("1,000,000 jobs", {"ms a claim of 32": many}),
        ],
        ratios={"a million / a thousand": many / few},
        goals={"flat": f"at most {GOAL:g} times the cost at 1,000 jobs"},
        met={"flat": many <= GOAL * few},
    )


def _fill(site: Site, counts: dict[str, int]) -> None:
    columns = [
        row[0]
        for row in site.query(
            "select column_name from information_schema.columns "
            "where table_name = 'imagegen_job' order by ordinal_position"
        )
    ]
    for name, changes in (("ended", ENDED), ("queued", QUEUED)):
        chosen = ", ".join(changes.get(column, f'j."{column}"') for column in columns)
        names = ", ".join(f'"{column}"' for column in columns)
        site.execute(
            f"insert into imagegen_job ({names}) select {chosen} from "  # noqa: S608 - our own names
            "(select * from imagegen_job order by created_at desc limit 1) j, "
            f"generate_series(1, {counts[name]}) n"
        )
        print(f"{counts[name]} {name}", file=sys.stderr)
    site.execute("vacuum analyze imagegen_job")


def _claims(site: Site) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.parts.claimer", str(TIMES)],
        env=site.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return median(json.loads(done.stdout)[5:])
