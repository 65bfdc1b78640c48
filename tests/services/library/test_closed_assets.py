"""Of an image that was closed for good, the files go and the record stays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from imagegen_app.core.types import InputRole
from imagegen_app.models import Asset, AuditEvent, JobInput, Lineage
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import creation, rereading
from imagegen_app.services.job_requests.values import InputSource
from imagegen_app.services.library import delivery, withdrawal_tasks
from imagegen_app.services.policy import access, closed_content
from imagegen_app.services.worker import _results, driver
from imagegen_app.testing.factories import make_asset, make_user
from tests.kept_answer_rows import make_kept_answer
from tests.services.closing import (
    MINORS,
    Closing,
    closed_asset,
    edit,
    hard_category,
    set_up,
    stored_hashes,
)
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

    driver.drive(seconds=20)

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


@use_case(audited=False)
def derived_asset(parent: Asset, **changes: Any) -> Asset:
    asset = make_asset(**changes)
    Lineage.objects.create(child=asset, parent=parent, relationship="parentOf")
    return asset


def test_all_that_was_made_from_a_closed_image_is_closed_with_it(
    site: Site, closing: type[Closing]
) -> None:
    asset = make_asset(requester=site.actor.user)
    edited = derived_asset(asset)
    upscaled = derived_asset(edited, review_state="pending")
    twin = make_asset(original_sha256=upscaled.original_sha256)
    other = make_asset()
    before = delivery.signed_url(upscaled)

    hard_category(asset)
    withdrawal_tasks.run()

    for one in (edited, upscaled, twin):
        one.refresh_from_db()
        assert one.hard_category == MINORS.value
        assert one.files_removed_at is not None
        assert not {one.sha256, one.original_sha256} & stored_hashes()
    assert (edited.review_state, upscaled.review_state) == ("withdrawn", "rejected")
    closed = AuditEvent.objects.get(type="asset.closed", asset_id=upscaled.pk)
    assert json.loads(closed.body)["data"]["made_from"] == str(asset.pk)
    *_rest, token, name = before.rstrip("/").split("/")
    with pytest.raises(delivery.NoSuchFile):
        delivery.open_signed(token, name)
    other.refresh_from_db()
    assert (other.hard_category, other.review_state) == ("", "approved")


def test_what_the_provider_sent_of_a_closed_image_is_neither_handed_out_nor_kept(
    site: Site, closing: type[Closing]
) -> None:
    kept = make_kept_answer(image_model=site.model, width=64, height=64)
    asset = make_asset(attempt=kept.attempt)
    boss = access.actor_for(make_user("boss", is_superuser=True, is_staff=True))
    hard_category(asset)

    with pytest.raises(closed_content.ClosedForGood):
        rereading.record_download(actor=boss, kept=kept, part="body")
    with pytest.raises(closed_content.ClosedForGood):
        rereading.read_again(actor=boss, kept=kept)
    withdrawal_tasks.run()

    kept.refresh_from_db()
    assert kept.removed_at is not None


def test_closing_asks_the_database_once_a_generation_and_not_once_an_image(
    site: Site, closing: type[Closing]
) -> None:
    few, many = make_asset(), make_asset()
    for _number in range(2):
        derived_asset(few)
    for _number in range(12):
        derived_asset(many)

    with CaptureQueriesContext(connection) as for_few:
        hard_category(few)
    with CaptureQueriesContext(connection) as for_many:
        hard_category(many)

    assert len(for_many) == len(for_few)
    assert Asset.objects.exclude(hard_category="").count() == 16


def test_a_running_job_whose_input_is_closed_makes_no_open_image(
    site: Site, closing: type[Closing], monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = make_asset(requester=site.actor.user)
    job = edit(site, InputSource(role=InputRole.IMAGE, asset=asset))
    store = _results.store_results

    def closed_before(*of_job: Any, **answer: Any) -> Any:
        hard_category(asset)
        return store(*of_job, **answer)

    monkeypatch.setattr(_results, "store_results", closed_before)
    driver.drive(seconds=20)

    job.refresh_from_db()
    assert job.state == "succeeded"
    assert [one.hard_category for one in job.assets.all()] == [MINORS.value]


def test_a_waiting_job_whose_input_is_closed_sends_nothing_though_the_file_is_there(
    site: Site, closing: type[Closing]
) -> None:
    asset = make_asset(requester=site.actor.user)
    waiting = edit(site, InputSource(role=InputRole.IMAGE, asset=asset))
    hard_category(asset)

    driver.drive(seconds=20)

    waiting.refresh_from_db()
    assert (waiting.state, waiting.error_message) == ("blocked", closed_content.CLOSED_MESSAGE)
    assert waiting.actual_cost == 0
    assert not waiting.attempts.filter(state__in=["answered", "settled"]).exists()
