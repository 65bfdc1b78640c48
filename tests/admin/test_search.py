"""Images are found by any of their hashes, and rows by the people who belong to them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.admin import paging
from imagegen_app.models import Asset
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import delivery, review
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_user

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
    assert "these are more than 2 rows" in page.content.decode()


@use_case(audited=False)
def _date(assets: list[Any], at: datetime) -> None:
    Asset.objects.filter(pk__in=[a.pk for a in assets]).update(created_at=at)
