"""The counters of a batch say how its jobs ended, what they cost and what waits for review."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from imagegen_app.core.states import JobState
from imagegen_app.models import Batch
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.jobs import batch_counts
from imagegen_app.testing.factories import make_asset, make_job
from tests.services import arranged

if TYPE_CHECKING:
    from tests.services.conftest import Site


@pytest.mark.parametrize(
    ("state", "column"),
    [
        (JobState.SUCCEEDED, "succeeded"),
        (JobState.FAILED, "failed"),
        (JobState.EXPIRED, "failed"),
        (JobState.BLOCKED, "blocked"),
        (JobState.CANCELLED, "cancelled"),
    ],
)
def test_each_end_of_a_job_is_counted_with_its_cost(
    site: Site, state: JobState, column: str
) -> None:
    batch = arranged.batch(site, rows=2)
    job = batch.jobs.earliest("pk")
    job.state, job.actual_cost = state.value, Decimal("0.01")

    use_case(audited=False)(batch_counts.count_ended_job)(job)

    counts = batch_counts.counts_of(Batch.objects.get(pk=batch.pk))
    assert getattr(counts, column) == 1
    assert (counts.ended, counts.job_count) == (1, 2)
    assert (counts.spent, counts.reserved) == (Decimal("0.01"), Decimal("0.02"))
    assert not counts.is_finished


def test_images_that_wait_for_review_are_counted(site: Site) -> None:
    batch = arranged.batch(site, rows=2)
    job = make_job(batch=batch)
    for state in ("pending", "pending", "approved", "rejected"):
        make_asset(job=job, review_state=state)
    make_asset(job=job, review_state="pending", is_intermediate=True)
    make_asset(review_state="pending")

    assert batch_counts.counts_of(batch).to_review == 2


@use_case(audited=False)
def overspend(batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(reserved=Decimal("-0.01"))


def test_nothing_is_shown_as_reserved_where_less_than_nothing_is(site: Site) -> None:
    batch = arranged.batch(site)
    overspend(batch)

    assert batch_counts.counts_of(Batch.objects.get(pk=batch.pk)).reserved == 0
