"""The page about ASVS answers every requirement of two levels, and names settings that exist."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections import Counter
from typing import Any

from django.conf import global_settings

from imagegen_app import check_ids, conf
from tests.architecture.tree import ROOT

PAGE = ROOT / "docs" / "reference" / "asvs.md"
#: How many requirements version 5.0.0 has on each level.
REQUIREMENTS = {"1": 70, "2": 183}
STATUSES = {"met", "partly", "not met", "site", "n/a"}
#: Variables of the environment, which are no settings.
_VARIABLES = {"SSL_CERT_FILE"}
_ROW = re.compile(r"^\| (\d+\.\d+\.\d+) \| ([12]) \|(.*)\|$", re.MULTILINE)
_NAME = re.compile(r"`([A-Z][A-Z0-9_]+)(?: = \w+)?`")


@dataclasses.dataclass(frozen=True)
class Row:
    """One requirement on the page."""

    number: str
    level: str
    asks_for: str
    status: str
    where: str
    shown_by: str


def rows() -> list[Row]:
    """Return the page's rows."""
    found = _ROW.findall(PAGE.read_text(encoding="utf-8"))
    return [Row(number, level, *map(str.strip, rest.split(" | "))) for number, level, rest in found]


def known_settings() -> set[str]:
    """Return the settings of Django, and ours at every depth."""
    ours: list[Any] = [
        kind
        for _, kind in inspect.getmembers(conf, dataclasses.is_dataclass)
        if inspect.isclass(kind)
    ]
    names = {field.name.upper() for kind in ours for field in dataclasses.fields(kind)}
    return names | {name for name in dir(global_settings) if name.isupper()} | _VARIABLES


def unknown_settings(text: str) -> set[str]:
    """Return what looks like a setting and is none."""
    return set(_NAME.findall(text)) - known_settings()


def test_every_requirement_is_answered_once() -> None:
    numbers = [row.number for row in rows()]

    assert Counter(row.level for row in rows()) == REQUIREMENTS
    assert len(numbers) == len(set(numbers))
    assert numbers == sorted(numbers, key=lambda number: [int(part) for part in number.split(".")])


def is_whole(row: Row) -> bool:
    """Return whether an answer says where or whose duty it is, and names a test or none."""
    says_where = len(row.where.split()) > 1 or "`" in row.where
    names_test = row.shown_by.startswith("`tests/") and row.status != "n/a"
    return row.status in STATUSES and says_where and (names_test or row.shown_by == "-")


def test_an_answer_is_whole() -> None:
    assert [row.number for row in rows() if not is_whole(row)] == []
    assert not is_whole(Row("1.1.1", "1", "x", "done", "in `core`", "-"))


def test_settings_and_checks_that_the_page_names_exist() -> None:
    text = PAGE.read_text(encoding="utf-8")

    assert unknown_settings(text) == set()
    assert unknown_settings("`SESSION_COOKIE_SECUR` and `PUBLISH_TO`") == {"SESSION_COOKIE_SECUR"}
    assert set(re.findall(r"imagegen\.[EW]\d+", text)) <= set(check_ids.CHECKS)


def test_the_summary_counts_what_the_tables_say() -> None:
    counts = Counter(row.status for row in rows())

    summary = (
        f"Of {sum(counts.values())} requirements, {counts['met']} are met, {counts['partly']} partly, "
        f"{counts['not met']} not; {counts['site']} are the site's duty, and {counts['n/a']} concern "
        "nothing that is here."
    )
    assert summary in " ".join(PAGE.read_text(encoding="utf-8").split())
