"""Rows have the names that people know them by, looked up for many of them at once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone, translation

from imagegen_app.models import Asset, Attempt, Job
from imagegen_app.services.foundation import local_times, object_names
from imagegen_app.testing.factories import make_asset, make_job, make_template, make_user
from tests.changed_rows import change

pytestmark = pytest.mark.django_db


def test_a_job_has_the_name_of_its_template_or_of_what_it_does_and_its_time() -> None:
    version = make_template()
    change(version.template, name="Bud vase")
    templated, free = make_job(template_version=version), make_job(operation="upscale")

    object_names.give_names([templated, free])

    day = local_times.format_in_name(templated.created_at)
    assert str(templated) == f"Bud vase, {day}"
    assert str(free).startswith("Upscale, ")


def test_an_image_has_its_title_else_its_words_else_the_name_of_its_job() -> None:
    titled, worded, bare = (make_asset() for _ in range(3))
    change(titled, title="Bud vase on a light table")
    change(worded, title="", alt_text="A cup " * 30)
    change(bare, title="", alt_text="")

    object_names.give_names([titled, worded, bare])

    assert str(titled) == "Bud vase on a light table"
    assert str(worded).startswith("A cup A cup")
    assert len(str(worded)) <= 60
    assert str(bare).startswith("Generate, ")


def test_the_words_of_an_image_that_was_closed_are_not_its_name() -> None:
    closed = make_asset()
    change(closed, title="", alt_text="What nobody may read", hard_category="minors")

    object_names.give_names([closed])

    assert "nobody" not in str(closed)


def test_names_of_many_rows_take_one_query(django_assert_num_queries: Any) -> None:
    rows = [make_asset() for _ in range(4)]
    for row in rows:
        change(row, title="", alt_text="")
    found: list[Any] = [*rows, *(row.job for row in rows), *(row.attempt for row in rows)]

    with django_assert_num_queries(1):
        object_names.give_names(found)

    assert {type(row) for row in found} == {Asset, Job, Attempt}
    assert str(rows[0].attempt) == f"{rows[0].job}, call 1"


def test_references_of_the_log_are_named_where_the_row_is_still_there() -> None:
    asset, person = make_asset(), make_user(username="edda", first_name="Edda", last_name="Brandt")
    change(asset, title="Hero")
    references = [
        ("asset", str(asset.pk)),
        ("job", str(asset.job_id)),
        ("user", str(person.pk)),
        ("provider", str(asset.job.image_model.provider_id)),
        ("asset", "not a key"),
        ("job", "00000000-0000-0000-0000-000000000000"),
        ("stranger", "1"),
    ]

    names = object_names.names_of(references)

    assert names[references[0]] == "Hero"
    assert names[references[1]].startswith("Generate, ")
    assert names[references[2]] == "Edda Brandt (edda)"
    assert names[references[3]] == asset.job.image_model.provider.name
    assert not any(one in names for one in references[4:])


def test_a_time_in_a_name_has_the_year_only_where_it_is_another() -> None:
    now = timezone.localtime().replace(month=11, day=21, hour=7, minute=5)

    with translation.override("en"):
        assert local_times.format_in_name(now) == "November 21, 07:05"
        earlier = datetime(2019, 3, 4, 12, 0, tzinfo=now.tzinfo)
        assert "2019" in local_times.format_in_name(earlier)
