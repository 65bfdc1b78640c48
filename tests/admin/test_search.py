"""Images are found by any of their hashes, and rows by the people who belong to them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.admin import paging
from imagegen_app.core.actors import System
from imagegen_app.models import Asset, AuditEvent
from imagegen_app.services.foundation import event_log, row_search
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import delivery, placement, review
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_user
from tests.changed_rows import change

if TYPE_CHECKING:
    from django.test import Client


def found(client: Client, table: str, term: str) -> set[Any]:
    page: Any = client.get(reverse(f"admin:imagegen_{table}_changelist"), {"q": term})
    assert page.status_code == 200
    return {row.pk for row in page.context["cl"].result_list}


@pytest.fixture
def reader(client: Client, people: dict[str, Any]) -> Client:
    client.force_login(people["Compliance"])
    return client


def test_an_asset_is_found_by_a_hash_or_a_file_name_of_any_of_its_files(reader: Client) -> None:
    asset, _other = make_asset(), make_asset()
    rendition = asset.renditions.earliest("pk")
    terms = {
        "master": asset.sha256,
        "original": asset.original_sha256,
        "rendition": rendition.sha256,
        "part of a rendition's": rendition.sha256[:16],
        "in capitals": rendition.sha256.upper(),
        "a public address": f"https://example.org{delivery.public_url(rendition)}",
        "a copy's file name": f"products/{asset.sha256[:16]}_x1Yz.png",
        "ID": str(asset.pk),
        "ID without hyphens": asset.pk.hex,
    }

    for how, term in terms.items():
        assert found(reader, "asset", term) == {asset.pk}, how
    assert found(reader, "asset", "0" * 64) == set()


def test_rows_are_found_by_the_name_of_a_person(reader: Client) -> None:
    ada = make_user("al-17", first_name="Ada", last_name="Lovelace", permissions=())
    asset = make_asset(requester=ada)
    make_asset(requester=make_user("other", first_name="Grace", last_name="Hopper"))

    for term in ("Lovelace", "ada lovelace", "al-17"):
        assert found(reader, "asset", term) == {asset.pk}, term
        assert found(reader, "job", term) == {asset.job_id}, term
        assert found(reader, "attempt", term) == {asset.attempt_id}, term


def test_a_persons_events_are_found_by_name(reader: Client) -> None:
    ada = make_user(
        "al-17", first_name="Ada", last_name="Lovelace", permissions=["imagegen.approve_asset"]
    )
    review.approve(actor=access.actor_for(ada), asset=make_asset(review_state="pending"))
    review.approve(
        actor=access.actor_for(make_user(permissions=["imagegen.approve_asset"])),
        asset=make_asset(review_state="pending"),
    )

    page: Any = reader.get(reverse("admin:imagegen_auditevent_changelist"), {"q": "Lovelace"})

    rows = page.context["cl"].result_list
    assert {(row.actor_id, row.type) for row in rows} == {(str(ada.pk), "review.approved")}


def test_a_list_says_where_it_ends_and_begins_at_any_month(
    reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [make_asset(widths=()) for _ in range(5)]
    _date(made[:2], datetime(2026, 3, 5, tzinfo=UTC))
    address = reverse("admin:imagegen_asset_changelist")
    monkeypatch.setattr(paging, "MAX_ROWS", 4)

    page: Any = reader.get(address)
    older: Any = reader.get(address, {"until": "2026-03"})
    unknown: Any = reader.get(address, {"until": "x"})

    assert page.context["title"].endswith(": the first 4 of more")
    assert page.context["cl"].result_count == 4
    assert set(older.context["cl"].result_list) == set(made[:2])
    assert ":" not in older.context["title"]
    assert unknown.status_code == 200


def test_all_rows_of_a_longer_list_are_not_changed_at_once(
    client: Client, people: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(people["Image reviewers"])
    made = [make_asset(review_state="pending", widths=()) for _ in range(3)]
    monkeypatch.setattr(paging, "MAX_ROWS", 2)

    page = client.post(
        reverse("admin:imagegen_asset_changelist"),
        {"action": "approve", "select_across": "1", "_selected_action": str(made[0].pk)},
        follow=True,
    )

    made[0].refresh_from_db()
    assert made[0].review_state == "pending"
    assert "Nothing was done: these are more than" in page.content.decode()


@use_case(audited=False)
def _date(assets: list[Any], at: datetime) -> None:
    Asset.objects.filter(pk__in=[a.pk for a in assets]).update(created_at=at)


def test_long_lists_are_searched_by_what_people_have_at_hand(reader: Client) -> None:
    ada = make_user("al-17", first_name="Ada", last_name="Lovelace", permissions=())
    asset, other = make_asset(requester=ada), make_asset()
    job, attempt = asset.job, asset.attempt
    change(job, row_key="sku-7", error_code="quota")
    change(attempt, provider_ref="ref-1", provider_request_id="req-1")
    template = other.job.template_version.template if other.job.template_version else None

    for term in (str(job.pk), str(job.pk)[:13], "sku-7", "ku-7", "quota", "Lovelace", "ada quota"):
        assert found(reader, "job", term) == {job.pk}, term
    for term in (str(attempt.pk), str(job.pk), "ref-1", "req-1", "eq-1", "lovelace"):
        assert found(reader, "attempt", term) == {attempt.pk}, term
    for term in ("xylophone", "sku-7 xylophone", "0" * 12):
        assert found(reader, "job", term) == set(), term
        assert found(reader, "attempt", term) == set(), term
    assert found(reader, "job", job.image_model.name) >= {job.pk}
    assert template is None or found(reader, "job", template.name) >= {other.job_id}


def test_the_log_is_searched_by_kind_object_and_request(reader: Client) -> None:
    actor = access.actor_for(make_user(permissions=["imagegen.approve_asset"]))
    asset = make_asset(review_state="pending")
    with event_log.request_context("req-0123456789abcdef"):
        review.approve(actor=actor, asset=asset)
    event = AuditEvent.objects.get(type="review.approved")

    for term in ("review.approved", "approved", str(asset.pk), "req-0123456789abcdef", "req-0123"):
        assert event.pk in found(reader, "auditevent", term), term
    assert found(reader, "auditevent", "xylophone") == set()


def test_a_rare_value_of_a_filter_is_looked_up_and_a_common_one_stays(
    reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = [make_asset(widths=()).job for _ in range(3)]
    failed = make_asset(widths=()).job
    change(failed, state="failed")
    monkeypatch.setattr(row_search, "FEW", 2)
    address = reverse("admin:imagegen_job_changelist")

    pages: dict[str, Any] = {
        state: reader.get(address, {"state__exact": state}).context["cl"]
        for state in ("failed", "succeeded", "expired")
    }

    assert {row.pk for row in pages["failed"].result_list} == {failed.pk}
    assert {row.pk for row in pages["succeeded"].result_list} == {job.pk for job in done}
    assert list(pages["expired"].result_list) == []


def test_removed_placements_are_told_from_those_in_use(client: Client, db: None) -> None:
    client.force_login(make_user("root", is_superuser=True, is_staff=True))
    user, asset = make_user("target"), make_asset()
    kept, removed = (
        placement.record_placement(
            actor=System("test"), asset=asset, target=user, field=field, value="x"
        )
        for field in ("a", "b")
    )
    change(removed, removed_at=datetime(2027, 1, 1, tzinfo=UTC))
    address = reverse("admin:imagegen_placement_changelist")

    shown = {
        value: {
            row.pk
            for row in client.get(address, {"removed_at__isempty": value}).context["cl"].result_list
        }
        for value in ("0", "1")
    }

    assert shown == {"0": {removed.pk}, "1": {kept.pk}}
    assert client.get(address, {"removed_at__isempty": "x"})["Location"].endswith("?e=1")


def test_the_list_approves_with_few_statements_and_says_what_it_left_out(
    client: Client, people: dict[str, Any], django_assert_max_num_queries: Any
) -> None:
    client.force_login(people["Image reviewers"])
    attempt = make_asset(review_state="pending", widths=()).attempt
    made = [make_asset(attempt=attempt, review_state="pending", widths=()) for _ in range(20)]
    approved = make_asset(widths=())

    # Row by row it took more than 200.
    with django_assert_max_num_queries(60):
        page = client.post(
            reverse("admin:imagegen_asset_changelist"),
            {
                "action": "approve",
                "_selected_action": [str(one.pk) for one in [*made, approved]],
            },
            follow=True,
        )

    said = [str(one) for one in page.context["messages"]]
    assert said[0] == "20 images were approved."
    assert said[1].startswith("1 record was not changed: ")
    assert Asset.objects.filter(review_state="approved").count() == 21
