"""Lists name rows as people know them, fit a screen, and have the filters that people need."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.urls import reverse
from django.utils import timezone

from imagegen_app.models import Job
from imagegen_app.testing.factories import make_job
from tests.admin import tables
from tests.changed_rows import change

if TYPE_CHECKING:
    from django.test import Client

#: The end of a key, as rows without a name show it.
_KEY = re.compile(r">[^<]*\b(?:asset|job|attempt|person|Generate|image) [0-9a-f]{8}\b[^<]*<")
MOST_COLUMNS = 7


def listed(client: Client, name: str, **parameters: str) -> str:
    answer = client.get(reverse(f"admin:imagegen_{name}_changelist"), parameters)
    assert answer.status_code == 200
    return answer.content.decode()


def test_no_list_shows_a_key_in_place_of_a_name(
    admin_client: Client, rows: dict[str, Any], db: None
) -> None:
    found = {
        name: _KEY.findall(listed(admin_client, name).partition('id="changelist-form"')[2])
        for name in tables.names()
    }

    assert {name: keys for name, keys in found.items() if keys} == {}


def test_no_list_has_more_columns_than_fit_a_screen(rf: Any, people: dict[str, Any]) -> None:
    request = rf.get("/")
    request.user = people["superuser"]
    wide = {
        model._meta.model_name: len(registered.get_list_display(request))
        for model, registered in admin.site._registry.items()
        if model._meta.app_label == "imagegen"
        and len(registered.get_list_display(request)) > MOST_COLUMNS
    }

    assert wide == {}


def test_cells_say_what_their_column_is(
    admin_client: Client, rows: dict[str, Any], db: None
) -> None:
    html = listed(admin_client, "job")

    assert 'role="table"' in html
    assert re.search(r'<td role="cell" data-label="Cost" class="field-cost', html)


def test_amounts_of_a_budget_have_their_currency(
    admin_client: Client, rows: dict[str, Any], db: None
) -> None:
    html = listed(admin_client, "budgetperiod")

    assert not re.search(r"\d+\.\d{4}", html.partition('id="result_list"')[2])


def views_of(html: str) -> dict[str, tuple[str, bool]]:
    nav = html.partition("imagegen-views")[2].partition("</nav>")[0]
    found = re.findall(r'<a href="([^"]*)"( aria-current="page")?>([^<]+)</a>', nav)
    return {text: (unescape(address), bool(here)) for address, here, text in found}


def test_a_saved_view_is_a_link_that_says_whether_one_is_there(
    admin_client: Client, db: None
) -> None:
    running, failed, old = (
        make_job(state="queued"),
        make_job(state="failed"),
        make_job(state="failed"),
    )
    change(old, created_at=timezone.now() - timedelta(days=9))
    address = reverse("admin:imagegen_job_changelist")
    views = views_of(listed(admin_client, "job"))

    shown = {}
    for name, (query, _here) in views.items():
        page: Any = admin_client.get(address + query)
        shown[name] = {job.pk for job in page.context["cl"].result_list}
        assert [n for n, (_q, here) in views_of(page.content.decode()).items() if here] == [name]

    assert shown == {
        "All": {running.pk, failed.pk, old.pk},
        "Running": {running.pk},
        "Waiting for a person": set(),
        "Failed this week": {failed.pk},
    }
    assert Job.objects.count() == 3


def test_each_saved_view_of_each_list_answers(admin_client: Client, db: None) -> None:
    seen = 0
    for name in tables.names():
        address = reverse(f"admin:imagegen_{name}_changelist")
        for query, _here in views_of(listed(admin_client, name)).values():
            assert admin_client.get(address + query).status_code == 200
            seen += 1

    assert seen > 15


def test_the_log_names_people_and_things_in_its_sentences(
    admin_client: Client, rows: dict[str, Any], db: None
) -> None:
    html = listed(admin_client, "auditevent")
    table = html.partition('id="result_list"')[2]

    assert f"budget “{rows['budget'].name}”</a>" in table
    # Codes of events are for machines; a row's own page has it.
    assert "budget.created" not in table


def test_a_day_or_a_word_beyond_all_bounds_is_no_error(
    admin_client: Client, rows: dict[str, Any], db: None
) -> None:
    jobs = reverse("admin:imagegen_job_changelist")
    early = admin_client.get(jobs, {"created_at__gte": "0001-01-01T00:00:00+14:00"})
    long = admin_client.get(reverse("admin:imagegen_placement_changelist"), {"q": "x" * 60_000})

    # PostgreSQL knows the days before the first year.
    assert early.status_code == 200 or early["Location"] == f"{jobs}?e=1"
    assert long.status_code == 200
