"""The page of a running batch: each row as it is, filters, re-runs with their price, exports, dates."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from imagegen_app.core.actors import System
from imagegen_app.models import Asset, AuditEvent, Batch, Job, Placement, ScheduledPlacement
from imagegen_app.services.batches import batch_actions, row_export, row_jobs, row_list
from imagegen_app.services.foundation import clock, wakeups
from imagegen_app.services.jobs import leases, transitions
from imagegen_app.services.library import review, scheduled_placements
from imagegen_app.services.policy import access
from imagegen_app.services.worker import driver
from project.catalog.models import Product
from tests import changed_rows
from tests.admin.test_batch_pages import browser, start, status
from tests.admin.test_studio import edda, shop
from tests.services.batches.test_lifecycle import products

if TYPE_CHECKING:
    from django.test import Client

__all__ = ["browser", "edda", "shop"]
pytestmark = pytest.mark.usefixtures("shop")


def run_url(batch: Batch) -> str:
    return reverse("admin:imagegen_batch_run", args=[batch.pk])


def again_url(batch: Batch) -> str:
    return reverse("admin:imagegen_batch_again", args=[batch.pk])


def made(browser: Client, *, cancelled: int = 0) -> Batch:
    batch = start(browser)
    row_jobs.create_next_jobs()
    for job in leases.claim(limit=cancelled, owner="w") if cancelled else []:
        transitions.cancel(job, None, charge=None)
    driver.drive(seconds=20)
    return Batch.objects.get(pk=batch.pk)


def test_rows_are_listed_with_state_error_and_cost_and_filtered(browser: Client) -> None:
    batch = made(browser)
    job = Job.objects.order_by("pk")[0]
    changed_rows.change(
        job, state="failed", error_code="provider_error", error_message="It is on fire."
    )
    page = browser.get(run_url(batch)).content.decode()
    failed = browser.get(run_url(batch) + "?state=failed").content.decode()
    by_error = browser.get(run_url(batch) + "?error=provider_error").content.decode()
    none = browser.get(run_url(batch) + "?state=nonsense").content.decode()

    assert page.count("<tr data-key=") == 3
    assert "It is on fire." in page
    assert "Failed (1)" in page
    assert "Completed (2)" in page
    assert failed.count("<tr data-key=") == by_error.count("<tr data-key=") == 1
    assert "Re-run 1 row of this filter" in failed
    assert "Re-run" not in re.sub(r"Re-run (the selected|failed)", "", page)
    assert "No row is in this state." in none


def test_a_poll_costs_the_same_at_fifty_and_at_a_thousand_rows(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Once in a while a poll wakes a worker: on a busy machine between any two of them.
    monkeypatch.setattr(wakeups, "wake_if_stale", lambda: None)
    batch = start(browser)
    row_jobs.create_next_jobs()
    asked = []
    for more in (60, 1000):
        keys = [*Batch.objects.get(pk=batch.pk).rows, *products(more)]
        changed_rows.change(batch, rows=keys, row_count=len(keys))
        while row_jobs.create_next_jobs():
            pass
        with CaptureQueriesContext(connection) as queries:
            page = status(browser, batch)
        asked.append(len(queries))
        assert page.count("<tr data-key=") == row_list.PAGE_SIZE

    assert asked[0] == asked[1] <= 30
    answer = browser.get(reverse("admin:imagegen_batch_status", args=[batch.pk]))
    same = browser.get(
        reverse("admin:imagegen_batch_status", args=[batch.pk]),
        headers={"If-None-Match": answer["ETag"]},
    )
    assert same.status_code == 304


def test_calls_that_were_sent_before_a_pause_are_said_to_finish(browser: Client) -> None:
    batch = start(browser)
    row_jobs.create_next_jobs()
    for job in Job.objects.order_by("pk")[:2]:
        changed_rows.change(job, state="awaiting")
    browser.post(run_url(batch), {"pause": ""})
    shown = status(browser, batch)

    assert "2 calls still finish" in shown
    assert "data-done" not in shown


def test_a_new_seed_is_priced_before_it_is_requested_and_made_once(browser: Client) -> None:
    batch = made(browser)
    chosen = [str(job.pk) for job in Job.objects.order_by("pk")[:2]]
    shown = browser.post(again_url(batch), {"how": "seed", "job": chosen}).content.decode()
    before = Job.objects.count()
    sent = {"how": "seed", "job": chosen, "number": "2", "confirm": "1"}
    first = browser.post(again_url(batch), sent, follow=True).content.decode()
    second = browser.post(again_url(batch), sent, follow=True).content.decode()
    row_jobs.create_next_jobs()
    third = browser.post(again_url(batch), sent, follow=True).content.decode()

    assert "Estimated cost: 0.04" in shown
    assert before == 3
    assert "2 jobs were requested again" in first
    assert "requested again already" in second
    assert "errornote" not in second + third
    assert Job.objects.filter(replaces__isnull=False).count() == 2


def test_rows_that_wait_to_be_requested_again_are_paused_and_cancelled(browser: Client) -> None:
    batch = made(browser, cancelled=1)
    changed_rows.change(batch, max_failure_percent=0)
    batch_actions.request_reruns(
        actor=access.actor_for(batch.requester),
        batch=batch,
        jobs=row_list.filtered_jobs(batch, row_list.RowFilter(state="cancelled")),
    )
    waiting = status(browser, batch)
    browser.post(run_url(batch), {"pause": ""})
    paused = status(browser, batch)
    browser.post(run_url(batch), {"cancel": ""})
    cancelled = status(browser, batch)

    assert "1 row waits to be requested again." in waiting
    assert 'name="pause"' in waiting
    assert 'name="cancel"' in waiting
    assert "data-done" not in waiting
    assert "data-done" in paused
    assert "waits to be requested again" not in cancelled
    assert 'name="cancel"' not in cancelled
    assert "data-done" in cancelled


def test_a_filter_that_finds_others_by_now_is_shown_again(browser: Client) -> None:
    batch = made(browser, cancelled=2)
    sent = {"how": "same", "which": "filter", "state": "cancelled"}
    shown = browser.post(again_url(batch), sent).content.decode()
    changed = browser.post(again_url(batch), {**sent, "number": "1", "confirm": "1"})
    done = browser.post(again_url(batch), {**sent, "number": "2", "confirm": "1"}, follow=True)

    assert "2 rows again" in shown
    assert changed.status_code == 200
    assert "2 rows again" in changed.content.decode()
    assert "2 jobs were requested again" in done.content.decode()


def test_what_a_person_may_not_do_is_not_offered(
    browser: Client,
    client: Client,
    django_user_model: Any,
) -> None:
    batch = made(browser)
    client.force_login(django_user_model.objects.get(username="compliance"))
    page = client.get(run_url(batch))
    refused = client.post(
        again_url(batch),
        {"how": "seed", "job": str(Job.objects.all()[0].pk), "number": "1", "confirm": "1"},
        follow=True,
    )

    assert page.status_code == 200
    assert 'name="how"' not in page.content.decode()
    assert "required" in refused.content.decode()
    assert Job.objects.count() == 3


def test_the_table_is_sent_in_parts_and_only_as_csv_without_openpyxl(
    browser: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch = made(browser)
    monkeypatch.setattr(row_export, "has_xlsx", lambda: False)
    page = browser.get(run_url(batch)).content.decode()
    xlsx = browser.get(reverse("admin:imagegen_batch_xlsx", args=[batch.pk]))
    answer = browser.get(reverse("admin:imagegen_batch_csv", args=[batch.pk]))
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]  # of a streamed answer

    assert "results.csv" in page
    assert "results.xlsx" not in page
    assert xlsx.status_code == 404
    assert answer["Content-Type"].startswith("text/csv")
    assert "attachment" in answer["Content-Disposition"]
    assert len(text.splitlines()) == 4
    assert f"/asset/{Asset.objects.earliest('pk').pk}/" in text
    assert AuditEvent.objects.filter(type="export.created").count() == 1


def test_a_workbook_is_sent_where_openpyxl_is_installed(browser: Client) -> None:
    pytest.importorskip("openpyxl")
    batch = made(browser)
    answer = browser.get(reverse("admin:imagegen_batch_xlsx", args=[batch.pk]))

    assert b"".join(answer.streaming_content)[:2] == b"PK"  # type: ignore[attr-defined]  # as above


def schedule(browser: Client, batch: Batch, when: str) -> str:
    """Approve the batch's images and place them at a time, as the grid's button does."""
    for asset in Asset.objects.all():
        review.approve(actor=System("reviewer"), asset=asset)
    url = reverse("admin:imagegen_batch_review", args=[batch.pk])
    return browser.post(url, {"place": "1", "place_at": when}, follow=True).content.decode()


def local(**delta: float) -> str:
    return timezone.localtime(clock.now() + timedelta(**delta)).strftime("%Y-%m-%dT%H:%M")


def test_images_are_placed_on_a_date_which_can_be_changed_and_cancelled(
    browser: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch = made(browser)
    said = schedule(browser, batch, local(days=2))
    page = browser.get(run_url(batch)).content.decode()
    keys = [str(key) for key in ScheduledPlacement.objects.values_list("pk", flat=True)]
    browser.post(run_url(batch), {"unschedule": "1", "placement": keys[0]})
    browser.post(
        run_url(batch), {"reschedule": "1", "placement": keys[1:], "place_at": local(days=3)}
    )
    before = Placement.objects.count()
    Product.objects.filter(pk=ScheduledPlacement.objects.get(pk=keys[1]).object_id).delete()
    later = clock.now() + timedelta(days=4)
    monkeypatch.setattr(clock, "now", lambda: later)
    scheduled_placements.place_due()
    after = browser.get(run_url(batch)).content.decode()

    assert "3 images will be placed on" in said
    assert page.count('name="placement"') == 3
    assert (before, Placement.objects.count()) == (0, 1)
    assert "The object was deleted meanwhile." in after
    states = ScheduledPlacement.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["cancelled", "dropped", "placed"]


@pytest.mark.parametrize("when", ["tomorrow", "2020-01-01T08:00", "2999-01-01T08:00", "T" * 99])
def test_a_time_that_is_none_or_not_ahead_is_refused(browser: Client, when: str) -> None:
    batch = made(browser)
    said = schedule(browser, batch, when)

    assert "Nothing was scheduled." in said
    assert not ScheduledPlacement.objects.exists()
    assert not Placement.objects.exists()


def test_a_time_that_the_clocks_skip_is_refused(browser: Client, settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    year = clock.now().year + (1 if clock.now().month > 3 else 0)
    sunday = max(day for day in range(25, 32) if date(year, 3, day).weekday() == 6)
    batch = made(browser)

    assert "Nothing was scheduled." in schedule(browser, batch, f"{year}-03-{sunday}T02:30")


def test_a_pause_that_holds_nothing_any_more_is_said_to_be_finished(browser: Client) -> None:
    batch = start(browser)
    row_jobs.create_next_jobs()
    for job in Job.objects.all():
        changed_rows.change(job, state="awaiting")
    browser.post(run_url(batch), {"pause": ""})
    for job in Job.objects.all():
        changed_rows.change(job, state="succeeded", finished_at=timezone.now())
    changed_rows.change(Batch.objects.get(pk=batch.pk), succeeded=3)

    shown = status(browser, batch)

    assert "Finished: 3 of 3 are completed." in shown
    assert 'name="resume"' not in shown
    assert "data-done" in shown


def test_calls_of_a_pilot_are_not_said_to_be_sent_before_a_pause(browser: Client) -> None:
    batch = start(browser, pilot_rows="2")
    row_jobs.create_next_jobs()
    for job in Job.objects.all():
        changed_rows.change(job, state="awaiting")

    shown = status(browser, batch)

    assert "The images of the pilot are being made." in shown
    assert "before the pause" not in shown


def test_nothing_selected_is_told_on_the_page_itself(browser: Client) -> None:
    batch = made(browser)

    page = browser.post(again_url(batch), {"how": "seed"}, follow=True).content.decode()

    assert "No row is selected. Select at least one." in page
    assert page.count("<tr data-key=") == 3
