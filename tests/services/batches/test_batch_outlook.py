"""The time that is left is measured or said to be unknown; the rules that pause a batch say how near."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from imagegen_app.models import Batch, Job
from imagegen_app.services.batches import batch_outlook, row_list
from imagegen_app.services.batches.lifecycle import BatchLimits
from imagegen_app.services.foundation import clock, worker_registry
from imagegen_app.services.jobs import batch_counts
from tests import changed_rows
from tests.services.batches.test_lifecycle import prepare, products, start, version

if TYPE_CHECKING:
    from imagegen_app.models import TemplateVersion
    from tests.services.conftest import Site

__all__ = ["version"]


@pytest.fixture
def batch(site: Site, version: TemplateVersion) -> Batch:
    found = start(site, version, products(13), limits=BatchLimits(spending_limit=Decimal(1)))
    prepare()
    return Batch.objects.get(pk=found.pk)


def seconds_left(batch: Batch) -> int | None:
    counts = batch_counts.counts_of(batch)
    return batch_outlook.remaining_seconds(batch, counts, row_list.count_rows(batch))


def run(jobs: list[Job]) -> None:
    for job in jobs:
        changed_rows.change(job, state="awaiting", started_at=clock.now())


def end(jobs: list[Job], *, after: int) -> None:
    now = clock.now()
    for job in jobs:
        began = now - timedelta(seconds=after)
        changed_rows.change(job, state="succeeded", started_at=began, finished_at=now)


def test_what_is_left_takes_as_long_as_the_last_jobs_did_so_many_at_a_time_as_run(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_registry, "count_live_workers", lambda: 1)
    jobs = list(Job.objects.order_by("pk"))
    nothing_runs = seconds_left(batch)
    run(jobs[:2])
    never_measured = seconds_left(batch)
    end(jobs[2:5], after=30)
    # Ten are left, two at a time, of thirty seconds each.
    assert (nothing_runs, never_measured, seconds_left(batch)) == (None, None, 5 * 30)


def test_nobody_can_tell_while_no_worker_runs_or_the_batch_is_paused(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = list(Job.objects.order_by("pk"))
    run(jobs[:2])
    end(jobs[2:5], after=30)
    monkeypatch.setattr(worker_registry, "count_live_workers", lambda: 0)
    without_worker = seconds_left(batch)
    monkeypatch.setattr(worker_registry, "count_live_workers", lambda: 1)
    changed_rows.change(batch, paused_at=clock.now(), pause_reason="person")

    assert (without_worker, seconds_left(batch)) == (None, None)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (5, "about 1 minute"),
        (61, "about 2 minutes"),
        (3600, "about 1 hour"),
        (9000, "about 3 hours"),
    ],
)
def test_a_duration_is_rounded_up(seconds: int, words: str) -> None:
    assert batch_outlook.duration_words(seconds) == words


def test_each_rule_says_how_near_it_is_and_money_only_to_those_who_may_see_it(
    batch: Batch,
) -> None:
    changed_rows.change(
        batch,
        max_failure_percent=50,
        max_blocked=5,
        spent=Decimal("0.9"),
        succeeded=16,
        failed=8,
        blocked=4,
    )
    counts = batch_counts.counts_of(batch)
    rules = batch_outlook.stop_rules(batch, counts, shows_money=True)

    assert [(one.percent, one.is_near) for one in rules] == [(90, True), (84, True), (80, True)]
    assert rules[0].now == "0.90 of 1.00 USD"
    assert rules[2].now == "4 of 5"
    assert len(batch_outlook.stop_rules(batch, counts, shows_money=False)) == 2


def test_a_failure_rate_is_not_judged_from_a_few_jobs(batch: Batch) -> None:
    changed_rows.change(batch, max_failure_percent=50, failed=3, spending_limit=None)
    (rule,) = batch_outlook.stop_rules(batch, batch_counts.counts_of(batch), shows_money=True)

    assert rule.percent == 0
    assert "20" in rule.now
