"""Who may withdraw an image in the admin, and what its page says until that is done everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.core.actors import System
from imagegen_app.models import OutboxEntry
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import takedown, withdrawal_tasks
from imagegen_app.services.monitoring import doctor
from imagegen_app.testing.factories import make_asset
from tests.services.library import site_caches

if TYPE_CHECKING:
    from django.test import Client

LIST = "admin:imagegen_asset_changelist"


def page_of(client: Client, asset: Any) -> str:
    answer: Any = client.get(reverse("admin:imagegen_asset_change", args=[asset.pk]))
    return str(answer.content.decode())


@use_case(audited=False)
def make_due() -> None:
    """Let the pause after a failure pass."""
    OutboxEntry.objects.update(due_at=clock.now())


@pytest.mark.parametrize("role", ["Compliance", "Image reviewers", "Image administrators"])
def test_an_image_is_withdrawn_by_the_button_on_its_page(
    client: Client, people: dict[str, Any], role: str
) -> None:
    client.force_login(people[role])
    asset = make_asset()
    form = {"action": "withdraw", "_selected_action": str(asset.pk)}

    page = page_of(client, asset)
    asked: Any = client.post(reverse(LIST), form)
    client.post(reverse(LIST), {**form, "confirmed": "1", "note": "Report 12"})

    asset.refresh_from_db()
    assert 'value="withdraw"' in page
    assert "Withdrawing removes the image everywhere" in asked.content.decode()
    assert (asset.review_state, asset.review_note) == ("withdrawn", "Report 12")
    assert 'value="withdraw"' not in page_of(client, asset)


def test_the_page_of_a_withdrawn_image_offers_and_claims_nothing_that_is_past(
    client: Client, people: dict[str, Any]
) -> None:
    client.force_login(people["Image administrators"])
    asset = make_asset()
    before = page_of(client, asset)
    place = reverse("admin:imagegen_asset_attach", args=[asset.pk])

    takedown.withdraw(actor=System("test"), asset=asset)

    after = page_of(client, asset)
    asked: Any = client.get(place)
    assert "Visitors see the AI label" in before
    assert place in before
    assert "Visitors see" not in after
    assert "It was withdrawn: visitors are not to see it." in after
    assert place not in after
    assert "It cannot be placed." in asked.content.decode()
    assert "once a reviewer has approved it" not in asked.content.decode()


def test_the_page_of_a_new_image_says_what_visitors_will_see(
    client: Client, people: dict[str, Any]
) -> None:
    client.force_login(people["Image administrators"])

    page = page_of(client, make_asset(review_state="pending"))

    assert "Once it is approved, visitors see it with the AI label" in page


def test_compliance_may_withdraw_and_neither_approve_nor_reject(
    client: Client, people: dict[str, Any]
) -> None:
    client.force_login(people["Compliance"])
    asset = make_asset(review_state="pending")

    for action in ("approve", "reject"):
        form = {"action": action, "_selected_action": str(asset.pk), "confirmed": "1"}
        client.post(reverse(LIST), form)

    asset.refresh_from_db()
    assert asset.review_state == "pending"


def test_what_is_still_to_be_done_is_shown_until_it_is_done(
    client: Client, people: dict[str, Any], settings: Any
) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "PURGE": f"{site_caches.__name__}.fail"}
    client.force_login(people["Compliance"])
    asset = make_asset()
    takedown.withdraw(actor=System("test"), asset=asset)
    withdrawal_tasks.run()
    told = "may still be in the site&#x27;s caches. It failed with RuntimeError."

    page, panel = page_of(client, asset), client.get(reverse("admin:index")).content.decode()
    problems = [result for result in doctor.run_all_checks() if result.part == "withdrawals"]
    settings.IMAGEGEN = {**settings.IMAGEGEN, "PURGE": f"{site_caches.__name__}.purge"}
    make_due()
    withdrawal_tasks.run()

    assert "The site&#x27;s caches may still hold files of the image." in page
    assert "It failed with RuntimeError." in page
    assert "Next try: " in page
    assert told in panel
    assert [(one.level, "caches" in one.message) for one in problems] == [("error", True)]
    assert "caches may still hold" not in page_of(client, asset)
    assert told not in client.get(reverse("admin:index")).content.decode()
    done = [result for result in doctor.run_all_checks() if result.part == "withdrawals"]
    assert [one.level for one in done] == ["ok"]
