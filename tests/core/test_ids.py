"""Identifiers sort by the order in which a process makes them, and are version 7."""

from __future__ import annotations

import time
import uuid

import pytest

from imagegen_app.core import ids


def test_they_increase_within_a_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now)

    made = [ids.uuid7() for _number in range(2_000)]

    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {(one.version, one.variant) for one in made} == {(7, uuid.RFC_4122)}


def test_they_increase_where_the_clock_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ids.uuid7()
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000)

    assert ids.uuid7() > first


def test_they_begin_with_the_time() -> None:
    before = time.time_ns() // 1_000_000

    made = ids.uuid7().int >> 80

    assert before <= made <= time.time_ns() // 1_000_000 + 1
