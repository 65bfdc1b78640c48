"""Batches are created in chunks, never twice, counted exactly, and paused by a pilot or limits."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from imagegen_app.models import AuditEvent, Batch, BudgetPeriod, Job, LedgerEntry, Verdict
from imagegen_app.services.batches import batch_actions, lifecycle, row_jobs
from imagegen_app.services.batches.lifecycle import BatchLimits
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.job_requests import values
from imagegen_app.services.jobs import batch_counts, leases, transitions
from imagegen_app.services.policy import budget_refusals
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_template
from project.catalog.models import Category, Product

if TYPE_CHECKING:
    from imagegen_app.models import TemplateVersion
    from tests.services.conftest import Site

TARGET = "catalog.Product.image"
VARIABLES = [{"name": "product", "label": "Product"}]


@pytest.fixture
def version(site: Site) -> TemplateVersion:
    with_budget(site, Decimal(100))
    return make_template(
        body="A {{ product }}", variables=VARIABLES, width=64, height=64, image_model=site.model
    )


def products(number: int) -> list[str]:
    shelf, _made = Category.objects.get_or_create(name="Shelf", slug="shelf")
    first = Product.objects.count()
    made = Product.objects.bulk_create(
        Product(
            category=shelf,
            name=f"Cup {n}",
            slug=f"cup-{n}",
            sku=f"X-{n}",
            price=Decimal(1),
            colour="red",
            material="clay",
        )
        for n in range(first, first + number)
    )
    return [str(p.pk) for p in made]


def start(site: Site, version: TemplateVersion, keys: list[str], **changes: Any) -> Batch:
    target = content_fields.target_by_path(TARGET)
    assert target is not None
    values: dict[str, Any] = {
        "actor": site.actor,
        "version": version,
        "title": "Cups",
        "keys": keys,
        "target": target,
        "mapping": {"product": "name"},
        "key": "spring",
    }
    return lifecycle.start(**{**values, **changes})


def prepare() -> int:
    chunks = 0
    while row_jobs.create_next_jobs():
        chunks += 1
    return chunks


def counts(batch: Batch) -> batch_counts.BatchCounts:
    return batch_counts.counts_of(Batch.objects.get(pk=batch.pk))


def test_starting_a_batch_creates_no_job_yet(site: Site, version: TemplateVersion) -> None:
    keys = products(600)
    with CaptureQueriesContext(connection) as asked:
        batch = start(site, version, keys)

    assert len(asked) < 40
    assert Job.objects.count() == 0
    assert (batch.row_count, counts(batch).is_finished) == (600, False)


def test_a_worker_creates_the_jobs_in_chunks_with_all_related_rows(
    site: Site, version: TemplateVersion
) -> None:
    batch = start(site, version, products(600))

    assert prepare() == 2
    jobs = Job.objects.filter(batch=batch)
    period = BudgetPeriod.objects.get()
    assert jobs.count() == 600
    assert len({job.prompt for job in jobs}) == 600
    assert Verdict.objects.count() == 600
    assert period.reserved == Decimal("12.00")
    assert sum(e.amount for e in LedgerEntry.objects.all()) == period.reserved
    assert AuditEvent.objects.filter(type="job.requested").count() == 600
    assert AuditEvent.objects.filter(type="job.requested", job_id__isnull=True).count() == 0
    assert counts(batch).reserved == Decimal("12.00")


def test_the_same_key_gives_the_same_batch(site: Site, version: TemplateVersion) -> None:
    keys = products(3)
    first = start(site, version, keys)
    prepare()

    assert start(site, version, keys).pk == first.pk
    assert prepare() == 0
    assert Job.objects.count() == 3


def test_a_worker_killed_midway_in_a_chunk_leaves_nothing_half_created(
    site: Site, version: TemplateVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = start(site, version, products(5))

    def die(_name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(row_jobs, "failpoint", die)
    with pytest.raises(KeyboardInterrupt):
        row_jobs.create_next_jobs()
    half = Job.objects.count(), BudgetPeriod.objects.filter(reserved__gt=0).count()
    monkeypatch.undo()
    prepare()

    assert half == (0, 0)
    assert Job.objects.filter(batch=batch).count() == 5


def test_invalid_rows_are_skipped_and_listed(site: Site, version: TemplateVersion) -> None:
    keys = products(3)
    Product.objects.filter(pk=keys[1]).delete()
    batch = start(site, version, keys)
    prepare()

    batch.refresh_from_db()
    found = counts(batch)
    assert (found.job_count, found.invalid_rows) == (2, 1)
    assert batch.invalid_rows == [{"row": keys[1], "reason": "It no longer exists."}]


def test_a_pilot_runs_first_and_the_other_rows_after_its_release(
    site: Site, version: TemplateVersion
) -> None:
    batch = start(site, version, products(9), limits=BatchLimits(pilot=2))
    prepare()
    driver.drive(seconds=20)
    piloted = counts(batch)
    batch.refresh_from_db()
    reason = batch.pause_reason
    batch_actions.resume(actor=site.actor, batch=batch)
    driver.drive(seconds=30)

    assert (piloted.prepared_rows, piloted.succeeded, reason) == (2, 2, "pilot")
    assert counts(batch).succeeded == 9
    assert counts(batch).is_finished
    assert AuditEvent.objects.filter(type="batch.finished").count() == 1


def test_a_paused_batch_is_not_claimed_until_it_is_resumed(
    site: Site, version: TemplateVersion
) -> None:
    batch = start(site, version, products(4))
    prepare()
    batch_actions.pause(actor=site.actor, batch=batch)
    held = leases.claim(limit=10, owner="w")
    batch.refresh_from_db()
    batch_actions.resume(actor=site.actor, batch=batch)

    assert held == []
    assert len(leases.claim(limit=10, owner="w")) == 4


@pytest.mark.parametrize(
    ("limits", "columns", "reason"),
    [
        (BatchLimits(max_failure_percent=40), {"failed": 9, "succeeded": 11}, "failures"),
        (BatchLimits(max_failure_percent=40), {"failed": 3, "succeeded": 2}, ""),
        (BatchLimits(max_blocked=3), {"blocked": 3}, "blocks"),
        (
            BatchLimits(spending_limit=Decimal("0.60")),
            {"succeeded": 25, "spent": Decimal("0.60")},
            "spending_limit",
        ),
    ],
)
def test_a_limit_pauses_a_batch(
    site: Site,
    version: TemplateVersion,
    limits: BatchLimits,
    columns: dict[str, Any],
    reason: str,
) -> None:
    batch = start(site, version, products(30), limits=limits)
    prepare()
    with_counters(batch, **columns)
    job = leases.claim(limit=1, owner="w")[0]
    transitions.cancel(job, None, charge=None)

    batch.refresh_from_db()
    assert batch.pause_reason == reason
    assert (Job.objects.filter(is_held=True).count() > 0) is bool(reason)


def with_counters(batch: Batch, **columns: Any) -> None:
    from imagegen_app.services.foundation.unit import use_case  # noqa: PLC0415 - beside its only use

    use_case(audited=False)(lambda: Batch.objects.filter(pk=batch.pk).update(**columns))()


def test_a_batch_over_its_spending_limit_or_the_budget_is_not_started(
    site: Site, version: TemplateVersion
) -> None:
    keys = products(30)
    with pytest.raises(values.InvalidJobRequest, match=r"above the spending limit of 0\.50 USD"):
        start(site, version, keys, limits=BatchLimits(spending_limit=Decimal("0.50")))
    with_budget(site, Decimal("0.50"))
    with pytest.raises(budget_refusals.OverBudget):
        start(site, version, keys)

    assert not Batch.objects.exists()


def with_budget(site: Site, limit: Decimal) -> None:
    from imagegen_app.core.actors import System  # noqa: PLC0415 - beside its only use
    from imagegen_app.services.policy import model_catalog  # noqa: PLC0415 - as above

    site.budget.limit = limit
    model_catalog.save(actor=System("test"), record=site.budget)


def test_a_budget_that_runs_out_meanwhile_pauses_the_batch(
    site: Site, version: TemplateVersion
) -> None:
    batch = start(site, version, products(600))
    with_budget(site, Decimal("10.50"))
    prepare()

    batch.refresh_from_db()
    assert (batch.pause_reason, batch.prepared_rows) == ("budget", 500)
    assert BudgetPeriod.objects.get().reserved == Decimal("10.00")


def test_cancelling_ends_queued_jobs_and_releases_their_reservations(
    site: Site, version: TemplateVersion
) -> None:
    batch = start(site, version, products(510))
    row_jobs.create_next_jobs()
    with CaptureQueriesContext(connection) as asked:
        batch_actions.cancel(actor=site.actor, batch=batch)
    driver.drive(seconds=60)

    found = counts(batch)
    assert len(asked) < 25
    assert (found.job_count, found.cancelled, found.is_finished) == (500, 500, True)
    assert BudgetPeriod.objects.get().reserved == 0
    assert found.reserved == 0


def test_failed_rows_are_requested_again_and_counted_once(
    site: Site, version: TemplateVersion
) -> None:
    batch = start(site, version, products(3))
    prepare()
    for job in leases.claim(limit=2, owner="w"):
        transitions.cancel(job, None, charge=None)
    before = counts(batch)
    number = batch_actions.rerun_failed(actor=site.actor, batch=batch)
    driver.drive(seconds=30)

    after = counts(batch)
    assert (before.cancelled, number) == (2, 2)
    assert (after.job_count, after.succeeded, after.cancelled, after.reserved) == (
        3,
        3,
        0,
        Decimal(0),
    )
    assert Job.objects.count() == 5


def test_another_person_cannot_control_a_batch(site: Site, version: TemplateVersion) -> None:
    from imagegen_app.services.policy import access  # noqa: PLC0415 - beside its only use
    from imagegen_app.testing.factories import make_user  # noqa: PLC0415 - as above

    batch = start(site, version, products(2))
    other = access.actor_for(make_user("other", permissions=["imagegen.request_job"]))
    for act in (
        batch_actions.pause,
        batch_actions.resume,
        batch_actions.cancel,
        batch_actions.rerun_failed,
    ):
        with pytest.raises(access.NotPermitted):
            act(actor=other, batch=batch)


def test_requesters_alternate_and_single_jobs_go_before_batches(
    site: Site, version: TemplateVersion
) -> None:
    from imagegen_app.services.job_requests import creation  # noqa: PLC0415 - beside their only use
    from imagegen_app.services.policy import access  # noqa: PLC0415
    from imagegen_app.testing.factories import make_user  # noqa: PLC0415 - as above

    start(site, version, products(20))
    prepare()
    other = access.actor_for(make_user("other", groups=["Image editors"]))
    start(site, version, products(3), actor=other, key="other")
    prepare()
    mine = creation.request_images(actor=site.actor, job_request=site.job_request(prompt="Now"))

    claimed = leases.claim(limit=7, owner="w")
    assert claimed[0].pk == mine.pk
    assert sum(job.requester_id == other.user.pk for job in claimed) == 3
