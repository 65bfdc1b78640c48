"""Every kind of event that the reference lists is written by a service, and a test sees it written."""

from __future__ import annotations

import ast
from pathlib import Path

from imagegen_app.core.events import EVENTS

ROOT = Path(__file__).resolve().parents[2]
#: Modules of services that name kinds only to read or to tell of them.
READERS = {"descriptions.py", "event_labels.py", "_log_reading.py", "_lost_records.py"}
#: Tests that name kinds without any of them being written.
LISTS = {"test_events.py", "test_event_kinds.py", "planted_faults.py"}


def named(folder: str, *, without: set[str]) -> dict[str, set[str]]:
    """Return the modules below a folder that name each kind of event in their code."""
    found: dict[str, set[str]] = {kind: set() for kind in EVENTS}
    for path in sorted((ROOT / folder).rglob("*.py")):
        if path.name in without:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value in found:
                found[node.value].add(str(path.relative_to(ROOT)))
    return found


def recorded_kinds() -> set[str]:
    """Return the kinds that services hand to the log as plain text, whether they exist or not."""
    found: set[str] = set()
    for path in sorted((ROOT / "imagegen_app").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name == "NewEvent":
                places = node.args[:1]
            elif name == "record" and getattr(getattr(node.func, "value", None), "id", "") == (
                "event_log"
            ):
                places = node.args[1:2]
            else:
                continue
            places += [keyword.value for keyword in node.keywords if keyword.arg == "kind"]
            found |= {
                place.value
                for place in places
                if isinstance(place, ast.Constant) and isinstance(place.value, str)
            }
    return found


def test_every_listed_kind_is_written_by_a_service() -> None:
    writers = named("imagegen_app/services", without=READERS)

    assert [kind for kind, modules in writers.items() if not modules] == []


def test_every_listed_kind_is_seen_written_by_a_test() -> None:
    tests = named("tests", without=LISTS)

    assert [kind for kind, modules in tests.items() if not modules] == []


def test_every_written_kind_is_listed() -> None:
    kinds = recorded_kinds()

    assert len(kinds) > 20
    assert kinds - EVENTS.keys() == set()
