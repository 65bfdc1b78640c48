"""The list of a batch's rows says of each what became of it, and counts them by state and error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection
from django.test.utils import CaptureQueriesContext

from imagegen_app.models import Batch, Job
from imagegen_app.services.batches import row_list
from imagegen_app.services.batches.row_list import RowFilter
from tests.services.arranged import change_job
from tests.services.batches.test_lifecycle import prepare, products, start, version

if TYPE_CHECKING:
    from imagegen_app.models import TemplateVersion
    from tests.services.conftest import Site

__all__ = ["version"]


def failed(job: Job, code: str) -> None:
    change_job(job, state="failed", error_code=code, finished_at=job.created_at)


def numbers(choices: list[row_list.FilterChoice]) -> dict[str, int]:
    return {one.value: one.count for one in choices}


def test_rows_are_counted_and_found_by_state_and_by_error(
    site: Site,
    version: TemplateVersion,
) -> None:
    batch = start(site, version, products(5))
    prepare()
    first, second, third, fourth, _last = Job.objects.order_by("pk")
    failed(first, "provider_error")
    failed(second, "provider_error")
    failed(third, "timeout")
    change_job(fourth, state="awaiting")

    counts = row_list.count_rows(batch)

    assert numbers(counts.states) == {"queued": 1, "running": 1, "failed": 3}
    assert numbers(counts.errors) == {"provider_error": 2, "timeout": 1}
    assert all(one.label for one in [*counts.states, *counts.errors])
    found = row_list.filtered_jobs(batch, RowFilter(error="timeout"))
    assert [job.pk for job in found] == [third.pk]
    assert row_list.filtered_jobs(batch, RowFilter(state="failed", error="timeout")).count() == 1
    assert not row_list.filtered_jobs(batch, RowFilter(state="nonsense")).exists()


def test_pages_hold_every_row_once_with_as_many_queries_as_one(
    site: Site,
    version: TemplateVersion,
) -> None:
    batch = start(site, version, products(2 * row_list.PAGE_SIZE + 3))
    prepare()
    seen: list[object] = []
    after, asked = "", []
    while True:
        with CaptureQueriesContext(connection) as queries:
            page = row_list.read_page(batch, RowFilter(), after=after)
        asked.append(len(queries))
        seen += [job.pk for job in page.rows]
        if not page.has_older:
            break
        after = page.last
    back = row_list.read_page(batch, RowFilter(), before=page.first)

    assert len(seen) == len(set(seen)) == 2 * row_list.PAGE_SIZE + 3
    assert max(asked) <= 3
    assert [job.pk for job in back.rows] == seen[row_list.PAGE_SIZE : 2 * row_list.PAGE_SIZE]


def test_rows_that_no_worker_has_reached_are_listed_by_key(
    site: Site,
    version: TemplateVersion,
) -> None:
    keys = products(4)
    batch = Batch.objects.get(pk=start(site, version, keys).pk)

    assert row_list.pending_keys(batch, start=1, size=2) == keys[1:3]
    prepare()
    assert row_list.pending_keys(Batch.objects.get(pk=batch.pk)) == []
