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
#: The formats of Django whose times end in a full stop in English, and would double that of a sentence.
WITH_FULL_STOP = re.compile(r"""date_format\(|["'](?:SHORT_)?(?:DATE)?TIME_FORMAT""")
#: Modules that write a day alone, in a column of its own.
DAYS_ALONE = {"admin/kept_answers.py", "admin/pages/model_list.py"}
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


def test_no_time_in_a_sentence_brings_a_full_stop_of_its_own() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if WITH_FULL_STOP.search(path.read_text(encoding="utf-8"))
    }

    assert found == DAYS_ALONE | {THE_PLACE}
