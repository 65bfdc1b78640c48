"""Who may withdraw an image in the admin, and what its page says until that is done everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.testing.factories import make_asset

if TYPE_CHECKING:
    from django.test import Client

LIST = "admin:imagegen_asset_changelist"


def page_of(client: Client, asset: Any) -> str:
    answer: Any = client.get(reverse("admin:imagegen_asset_change", args=[asset.pk]))
    return str(answer.content.decode())


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
