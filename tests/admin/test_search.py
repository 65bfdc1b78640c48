"""Images are found by any of their hashes, and rows by the people who belong to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

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
