"""Single rows are requested again once, as they were or with another seed, and a refusal is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.models import AuditEvent, Batch, Grant, Job, RequestedRerun
from imagegen_app.services.batches import batch_actions, row_jobs, row_list
from imagegen_app.services.batches.row_list import RowFilter
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import creation
from imagegen_app.services.jobs import batch_counts, leases, transitions
from imagegen_app.services.policy import access
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_user
from tests.services.arranged import change_job
from tests.services.batches.test_lifecycle import prepare, products, start, version

if TYPE_CHECKING:
    from imagegen_app.models import TemplateVersion
    from tests.services.conftest import Site

__all__ = ["version"]


@pytest.fixture
def batch(site: Site, version: TemplateVersion) -> Batch:
    """A batch of four rows, of which two have images and two were cancelled."""
    found = start(site, version, products(4))
    prepare()
    for job in leases.claim(limit=2, owner="w"):
        transitions.cancel(job, None, charge=None)
    driver.drive(seconds=20)
    return Batch.objects.get(pk=found.pk)


def again(site: Site, batch: Batch, wanted: RowFilter, *, has_new_seed: bool = False) -> int:
    return batch_actions.request_reruns(
        actor=site.actor,
        batch=batch,
        jobs=row_list.filtered_jobs(batch, wanted),
        has_new_seed=has_new_seed,
    )


def test_rows_of_a_filter_are_requested_again_in_place_of_the_ended_ones(
    site: Site, batch: Batch
) -> None:
    number = again(site, batch, RowFilter(state="cancelled"))
    prepare()

    new = Job.objects.filter(replaces__isnull=False)
    assert (number, new.count()) == (2, 2)
    assert {job.replaces.seed == job.seed for job in new if job.replaces} == {True}
    assert not RequestedRerun.objects.exists()
    assert row_list.current_jobs(batch).count() == 4
    assert not row_list.filtered_jobs(batch, RowFilter(state="cancelled")).exists()


def test_a_new_seed_is_given_to_completed_rows_and_the_counts_stay_exact(
    site: Site, batch: Batch
) -> None:
    old = list(row_list.filtered_jobs(batch, RowFilter(state="succeeded")))
    again(site, batch, RowFilter(state="succeeded"), has_new_seed=True)
    prepare()
    under_way = batch_counts.counts_of(Batch.objects.get(pk=batch.pk))
    driver.drive(seconds=20)
    after = batch_counts.counts_of(Batch.objects.get(pk=batch.pk))

    new = {job.replaces_id: job for job in Job.objects.filter(replaces__in=old)}
    assert len(new) == 2
    assert all(new[job.pk].seed not in {None, job.seed} for job in old)
    assert len({job.seed for job in new.values()}) == 2
    assert (under_way.succeeded, under_way.is_finished) == (0, False)
    assert (after.succeeded, after.cancelled, after.job_count) == (2, 2, 4)
    assert after.is_finished
    assert after.reserved == 0


def test_asking_twice_makes_one_new_job(site: Site, batch: Batch) -> None:
    again(site, batch, RowFilter(state="cancelled"))
    with pytest.raises(batch_actions.BatchActionRefused) as while_waiting:
        again(site, batch, RowFilter(state="cancelled"))
    prepare()
    with pytest.raises(batch_actions.BatchActionRefused):
        again(site, batch, RowFilter(state="cancelled"))
    prepare()

    assert while_waiting.value.is_already_done
    assert Job.objects.filter(replaces__isnull=False).count() == 2
    assert AuditEvent.objects.filter(type="batch.retried").count() == 1


def test_a_refused_row_keeps_the_reason_and_can_be_asked_for_again(
    site: Site, batch: Batch
) -> None:
    again(site, batch, RowFilter(state="cancelled"))
    use_case(audited=False)(lambda: Grant.objects.all().delete())()
    prepare()

    refused = list(RequestedRerun.objects.values_list("refusal", flat=True))
    assert len(refused) == 2
    assert all(refused)
    assert Job.objects.filter(replaces__isnull=False).count() == 0
    assert again(site, batch, RowFilter(state="cancelled")) == 2
    assert RequestedRerun.objects.filter(refusal="").count() == 2


def test_a_row_whose_prompt_was_erased_meanwhile_is_refused(site: Site, batch: Batch) -> None:
    again(site, batch, RowFilter(state="cancelled"))
    for job in row_list.filtered_jobs(batch, RowFilter(state="cancelled")):
        change_job(job, prompt="", variables={}, prompt_erased_at=clock.now())
    prepare()

    assert all("prompt was erased" in one.refusal for one in RequestedRerun.objects.all())
    assert RequestedRerun.objects.count() == 2
    assert not Job.objects.filter(replaces__isnull=False).exists()


def test_rows_wait_while_a_person_has_paused_the_batch_but_not_for_its_pilot(
    site: Site, batch: Batch
) -> None:
    again(site, batch, RowFilter(state="cancelled"))

    def pause(reason: str) -> None:
        @use_case(audited=False)
        def change() -> None:
            Batch.objects.filter(pk=batch.pk).update(paused_at=clock.now(), pause_reason=reason)

        change()

    pause("person")
    held = row_jobs.create_next_jobs()
    pause("pilot")
    made = row_jobs.create_next_jobs()

    assert (held, made) == (False, True)


def test_cancelling_the_batch_ends_what_waits_though_all_jobs_have_ended(
    site: Site, batch: Batch
) -> None:
    again(site, batch, RowFilter(state="cancelled"))

    batch_actions.cancel(actor=site.actor, batch=batch)
    made = row_jobs.create_next_jobs()
    with pytest.raises(batch_actions.BatchActionRefused) as refused:
        batch_actions.cancel(actor=site.actor, batch=batch)

    assert not made
    ended = RequestedRerun.objects.values_list("refusal", flat=True)
    assert list(ended) == ["The batch was cancelled."] * 2
    assert refused.value.is_already_done
    event = AuditEvent.objects.get(type="batch.cancelled")
    assert json.loads(event.body)["data"]["count"] == 2


def test_a_batch_is_paused_while_rows_wait_to_be_requested_again(site: Site, batch: Batch) -> None:
    with pytest.raises(batch_actions.BatchActionRefused, match="has finished"):
        batch_actions.pause(actor=site.actor, batch=batch)
    again(site, batch, RowFilter(state="cancelled"))

    batch_actions.pause(actor=site.actor, batch=batch)

    assert not row_jobs.create_next_jobs()


def test_a_cancellation_while_a_worker_creates_the_jobs_stops_the_rest(
    site: Site, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    again(site, batch, RowFilter(state="cancelled"))
    real = creation.request_images

    def cancel_after(**given: Any) -> Job:
        job = real(**given)
        batch_actions.cancel(actor=site.actor, batch=batch)
        return job

    monkeypatch.setattr(creation, "request_images", cancel_after)
    row_jobs.create_next_jobs()

    assert Job.objects.filter(replaces__isnull=False).count() == 1


def test_what_was_blocked_or_is_being_made_is_left_out(site: Site, batch: Batch) -> None:
    first, second = row_list.filtered_jobs(batch, RowFilter(state="cancelled"))
    change_job(first, state="blocked")
    change_job(second, state="queued", due_at=second.created_at)

    with pytest.raises(batch_actions.BatchActionRefused):
        again(site, batch, RowFilter(state="blocked"), has_new_seed=True)
    with pytest.raises(batch_actions.BatchActionRefused):
        again(site, batch, RowFilter(state="queued"), has_new_seed=True)


def test_the_rows_of_another_persons_batch_are_refused(site: Site, batch: Batch) -> None:
    stranger = access.actor_for(make_user("stranger", groups=["Image editors"]))
    with pytest.raises(access.NotPermitted):
        batch_actions.request_reruns(actor=stranger, batch=batch, jobs=row_list.current_jobs(batch))
