"""Of an image that was closed for good, the files go and the record stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.types import InputRole
from imagegen_app.models import AuditEvent, JobInput
from imagegen_app.services.job_requests import creation
from imagegen_app.services.job_requests.values import InputSource
from imagegen_app.services.library import withdrawal_tasks
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_asset
from tests.services.closing import MINORS, Closing, closed_asset, edit, set_up, stored_hashes
from tests.services.conftest import Site

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def closing(small: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[Closing]:
    return set_up(small, monkeypatch, tmp_path)


def test_files_of_a_closed_image_are_deleted_and_its_record_stays(
    site: Site, closing: type[Closing]
) -> None:
    asset = closed_asset(site, closing)
    assert asset.sha256 in stored_hashes()

    withdrawal_tasks.run()

    asset.refresh_from_db()
    assert asset.review_state == "withdrawn"
    assert asset.files_removed_at is not None
    assert not {asset.sha256, asset.original_sha256} & stored_hashes()
    found = AuditEvent.objects.filter(asset_id=asset.pk)
    kinds = ("asset.closed", "asset.files_removed", "asset.withdrawn")
    assert found.filter(type__in=kinds).count() == 3


def test_copies_that_were_sent_are_deleted_too_and_a_waiting_job_sends_nothing(
    site: Site, closing: type[Closing]
) -> None:
    asset = make_asset(requester=site.actor.user)
    waiting = edit(site, InputSource(role=InputRole.IMAGE, asset=asset))
    sent = JobInput.objects.get(job=waiting)
    assert sent.sha256 in stored_hashes()
    closing.closes = {"image"}
    with pytest.raises(creation.PromptBlocked):
        edit(site, InputSource(role=InputRole.IMAGE, asset=asset), prompt="Another one")
    withdrawal_tasks.run()

    driver.drive(seconds=60)

    waiting.refresh_from_db()
    assert sent.sha256 not in stored_hashes()
    assert (waiting.state, waiting.error_code) == ("failed", "input_missing")
    assert waiting.actual_cost == 0


def test_another_image_of_the_same_bytes_is_closed_with_it(
    site: Site, closing: type[Closing]
) -> None:
    first = make_asset(requester=site.actor.user)
    twin = make_asset(review_state="pending", sha256=first.sha256)
    closing.closes = {"image"}

    with pytest.raises(creation.PromptBlocked):
        edit(site, InputSource(role=InputRole.IMAGE, asset=first))

    twin.refresh_from_db()
    assert (twin.hard_category, twin.review_state) == (MINORS.value, "rejected")
