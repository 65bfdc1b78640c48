"""People read times in their own time zone: nothing they see writes a time as the database has it."""

from __future__ import annotations

import re
from pathlib import Path

import imagegen_app

PACKAGE = Path(imagegen_app.__file__).parent
#: What is written for people.
SHOWN = ("admin", "contrib", "forms", "services", "templatetags")
#: A time or day as text: `strftime`, a format of it, or the day of a point in time.
WRITTEN = re.compile(r"strftime|%Y-%m-%d|\.date\(\)\.isoformat")
#: Modules that write times for machines, in UTC, or that say "UTC" beside them.
IN_UTC = {
    "services/audit/_log_reading.py",
    "services/audit/_lost_records.py",
    "services/erasure/_image_rewriting.py",
    "services/foundation/clock.py",
    "services/worker/_ingest_options.py",
}
THE_PLACE = "services/foundation/local_times.py"


def test_times_for_people_are_written_in_one_place() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for folder in SHOWN
        for path in (PACKAGE / folder).rglob("*.py")
        if WRITTEN.search(path.read_text(encoding="utf-8"))
    }

    assert found - IN_UTC == {THE_PLACE}
    assert found >= IN_UTC, "a module is listed that writes no times any more"
