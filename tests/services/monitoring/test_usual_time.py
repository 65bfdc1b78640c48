"""How long a model usually takes: one slow call among many does not count."""

from __future__ import annotations

from datetime import timedelta

import pytest

from imagegen_app.services.foundation import clock
from imagegen_app.services.monitoring import progress
from imagegen_app.testing.factories import make_image_model, make_job

pytestmark = pytest.mark.django_db


def test_the_usual_time_is_the_median_of_what_a_models_jobs_took() -> None:
    model, now = make_image_model(), clock.now()
    for seconds in (4, 5, 6, 7, 600):
        make_job(image_model=model, started_at=now, finished_at=now + timedelta(seconds=seconds))
    make_job(started_at=now, finished_at=now + timedelta(seconds=90))
    make_job(image_model=model, state="failed", started_at=now, finished_at=now)

    assert progress.typical_seconds(model.pk) == 6


def test_a_model_that_made_nothing_yet_has_no_usual_time() -> None:
    assert progress.typical_seconds(make_image_model().pk) is None


def test_a_model_that_is_very_quick_takes_a_second() -> None:
    model, now = make_image_model(), clock.now()
    make_job(image_model=model, started_at=now, finished_at=now)

    assert progress.typical_seconds(model.pk) == 1
