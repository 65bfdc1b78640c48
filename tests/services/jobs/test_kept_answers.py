"""Kept answers go after their time, the log says how many, and files without a row go after a day."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.models import AuditEvent, KeptAnswer
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import kept_files
from imagegen_app.services.jobs import kept_answers
from imagegen_app.testing.factories import make_attempt

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def state(settings: Any, tmp_path: Path) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "STATE_DIR": tmp_path / "state"}


def kept(*, age: timedelta, **fields: Any) -> KeptAnswer:
    answer: KeptAnswer = use_case(audited=False)(KeptAnswer.objects.create)(
        attempt=make_attempt(), kept_at=clock.now() - age, byte_size=100, reason="x", **fields
    )
    folder_of(answer)
    return answer


def folder_of(answer: KeptAnswer) -> Path:
    folder = kept_files.folder() / str(answer.attempt_id)
    folder.mkdir(exist_ok=True)
    return folder


def aged(path: Path, *, hours: float) -> Path:
    path.mkdir(exist_ok=True)
    moment = time.time() - hours * 3600
    os.utime(path, (moment, moment))
    return path


def test_answers_past_their_time_are_removed_and_counted_in_the_log(
    django_capture_on_commit_callbacks: Any,
) -> None:
    old = [kept(age=31 * DAY), kept(age=90 * DAY)]
    young = kept(age=29 * DAY)

    with django_capture_on_commit_callbacks(execute=True):
        assert kept_answers.clear_old_answers() == 2

    (event,) = AuditEvent.objects.filter(type="answer.removed")
    assert json.loads(event.body)["data"] == {"count": 2, "ground": "older than allowed"}
    assert event.actor_id == "sweep"
    left = {path.name for path in kept_files.folder().iterdir()}
    assert left == {str(young.attempt_id)}
    assert not any(str(one.attempt_id) in left for one in old)
    assert kept_answers.stored_bytes() == 100


def test_files_that_no_row_knows_go_after_a_day() -> None:
    known = kept(age=2 * DAY)
    removed = kept(age=2 * DAY, removed_at=clock.now())
    folder = kept_files.folder()
    aged(folder_of(known), hours=25)
    aged(folder_of(removed), hours=25)
    aged(folder / "half-written", hours=25)
    aged(folder / "00000000-0000-4000-8000-000000000000", hours=25)
    aged(folder / "00000000-0000-4000-8000-000000000001", hours=23)

    kept_answers.clear_old_answers()

    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [str(known.attempt_id), "00000000-0000-4000-8000-000000000001"]
    )
