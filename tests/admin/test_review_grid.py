"""The review grid of a batch: two people decide, texts and stars are kept, images are made anew."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from imagegen_app.admin.pages import review_tiles
from imagegen_app.core.actors import System
from imagegen_app.models import Asset, AssetRating, AuditEvent, Batch, Job, Placement
from imagegen_app.services.library import review
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_asset
from project.catalog.models import Product
from tests import changed_rows
from tests.admin.test_batch_pages import browser
from tests.admin.test_batch_run_page import made
from tests.admin.test_studio import edda, shop

if TYPE_CHECKING:
    from django.test import Client

__all__ = ["browser", "edda", "shop"]
pytestmark = pytest.mark.usefixtures("shop")


@pytest.fixture
def boss(browser: Client, admin_client: Client) -> Client:
    """A second person, who may decide about everything."""
    return admin_client


@pytest.fixture
def batch(browser: Client) -> Batch:
    return made(browser)


def grid(batch: Batch) -> str:
    return reverse("admin:imagegen_batch_review", args=[batch.pk])


def fields(page: str, *prefixes: str) -> dict[str, str]:
    """Return the hidden fields of a page that begin like that."""
    found = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return {name: value for name, value in found if name.startswith(prefixes or ("shown-",))}


def read(client: Client, batch: Batch, query: str = "") -> str:
    return client.get(grid(batch) + query).content.decode()


def notes(page: str) -> dict[str, str]:
    """Return the notes that stand in a page's fields, by image."""
    found = re.findall(r'name="note-([^"]+)"[^>]*>([^<]*)</textarea>', page)
    return {key: text for key, text in found if text}


def assets() -> list[Asset]:
    return list(Asset.objects.order_by("pk"))


def test_the_second_decision_about_an_image_is_told_and_the_first_one_stays(
    boss: Client, batch: Batch
) -> None:
    shown = fields(read(boss, batch))
    first, second, third = assets()
    review.reject(actor=System("other"), asset=first)
    review.approve(actor=System("other"), asset=second)
    sent = {f"decision-{one.pk}": "approve" for one in (first, second, third)}
    said = boss.post(grid(batch), {**shown, **sent}, follow=True).content.decode()

    assert "1 approved, 0 rejected" in said
    assert "Meanwhile its review has changed: Rejected" in said
    assert "Meanwhile its review has changed: Approved" in said
    assert f"({Product.objects.get(pk=first.job.row_key).name})" in said
    states = [one.review_state for one in assets()]
    assert states == ["rejected", "approved", "approved"]


def test_a_note_that_was_not_stored_stays_in_its_field_and_is_told(
    boss: Client, batch: Batch
) -> None:
    shown = fields(read(boss, batch))
    first, second, third = assets()
    review.approve(actor=System("other"), asset=first)
    sent = {
        **shown,
        f"decision-{first.pk}": "reject",
        f"note-{first.pk}": "The <handle> is missing",
        f"decision-{second.pk}": "reject",
        f"note-{second.pk}": "Too dark",
        f"note-{third.pk}": "For later",
    }
    answer = boss.post(grid(batch), sent, follow=True)
    page = answer.content.decode()

    assert "1 note was not stored and still stands in its field." in page
    assert f"({Product.objects.get(pk=first.job.row_key).name})" in page
    assert notes(page) == {
        str(first.pk): "The &lt;handle&gt; is missing",
        str(third.pk): "For later",
    }
    assert page.count('imagegen-tile-more" open') == 2
    second.refresh_from_db()
    assert (first.review_note, second.review_note) == ("", "Too dark")


def test_notes_stay_where_a_press_is_refused_and_go_where_it_is_not(
    boss: Client, batch: Batch
) -> None:
    first, second, _third = assets()
    sent = {f"note-{one.pk}": f"Note {number}" for number, one in enumerate((first, second))}
    late = {f"decision-{first.pk}": "approve", "place": "1", "place_at": "never"}
    refused = boss.post(grid(batch), {**fields(read(boss, batch)), **sent, **late}, follow=True)
    again = boss.post(grid(batch), {**sent, "regenerate": str(second.pk)}, follow=True)
    left = boss.get(grid(batch)).content.decode()

    assert set(notes(refused.content.decode()).values()) == {"Note 0", "Note 1"}
    assert set(notes(again.content.decode()).values()) == {"Note 0"}
    assert notes(left) == {}


def test_many_notes_that_stay_stand_alone_so_that_the_form_can_be_sent(
    boss: Client, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = fields(read(boss, batch))
    first = assets()[0]
    review.approve(actor=System("other"), asset=first)
    sent = {**shown, f"decision-{first.pk}": "reject", f"note-{first.pk}": "No handle"}
    beside = boss.post(grid(batch), sent).content.decode()
    monkeypatch.setattr(review_tiles, "MOST_BESIDE", 0)
    alone = boss.post(grid(batch), sent).content.decode()

    assert (beside.count("data-asset="), alone.count("data-asset=")) == (3, 1)
    assert notes(alone) == {str(first.pk): "No handle"}


def test_a_rejection_takes_note_and_reason_and_needs_neither(boss: Client, batch: Batch) -> None:
    first, second, _third = assets()
    boss.post(
        grid(batch),
        {
            **fields(read(boss, batch)),
            f"decision-{first.pk}": "reject",
            f"note-{first.pk}": "The handle is missing",
            f"reason-{first.pk}": "faulty",
            f"decision-{second.pk}": "reject",
        },
    )
    first.refresh_from_db()
    second.refresh_from_db()

    assert (first.review_note, first.rejection_reason) == ("The handle is missing", "faulty")
    assert (second.review_state, second.rejection_reason) == ("rejected", "")


def test_only_what_was_changed_on_the_page_is_stored(boss: Client, batch: Batch) -> None:
    shown = fields(read(boss, batch), "shown-", "was-", "had-")
    first, second, _third = assets()
    # Somebody else describes one image while the page is open.
    changed_rows.change(first, alt_text="By somebody else")
    texts = {f"alt-{one.pk}": "" for one in assets()} | {f"alt-{second.pk}": "A blue chair"}
    stars = {f"stars-{one.pk}": "0" for one in assets()} | {f"stars-{second.pk}": "4"}
    boss.post(grid(batch), {**shown, **texts, **stars})

    assert [one.alt_text for one in assets()[:2]] == ["By somebody else", "A blue chair"]
    assert list(AssetRating.objects.values_list("asset", "stars")) == [(second.pk, 4)]


def test_all_suggested_texts_of_the_page_are_accepted_together(boss: Client, batch: Batch) -> None:
    first, second, third = assets()
    changed_rows.change(batch.template_version, alt_pattern="")
    changed_rows.change(first, alt_suggestion="A lamp <b>& more")
    changed_rows.change(second, alt_suggestion="A mug")
    changed_rows.change(third, alt_text="Mine", alt_suggestion="A chair")
    page = read(boss, batch)
    said = boss.post(grid(batch), {**fields(page), "describe": "1"}, follow=True)
    again = boss.post(grid(batch), {**fields(page), "describe": "1"}, follow=True)

    # Each tile says what the button takes, before it is opened.
    told = re.findall(r'imagegen-suggested"[^>]*>[^<]*<span dir="auto">([^<]*)<', page)
    assert sorted(told) == ["A lamp &lt;b&gt;&amp; more", "A mug"]
    assert "Accept 2 suggested texts" in page
    assert "2 alternative texts were saved" in said.content.decode()
    assert "No suggested text is left" in again.content.decode()
    assert [one.alt_text for one in assets()] == ["A lamp <b>& more", "A mug", "Mine"]


def test_what_was_rated_so_high_is_approved_together(boss: Client, batch: Batch) -> None:
    shown = fields(read(boss, batch), "shown-", "had-")
    first, second, third = assets()
    stars = {f"stars-{first.pk}": "5", f"stars-{second.pk}": "4", f"stars-{third.pk}": "2"}
    sent = {**shown, **stars, "min_stars": "4", "approve_rated": "1"}
    said = boss.post(grid(batch), sent, follow=True).content.decode()
    again = boss.post(grid(batch), sent, follow=True).content.decode()

    assert "2 images were approved" in said
    assert "No image that waits for review has at least 4 stars" in again
    assert [one.review_state for one in assets()] == ["approved", "approved", "pending"]


def test_an_author_who_may_not_approve_is_told_why_for_all(
    browser: Client,
    batch: Batch,
) -> None:
    shown = fields(read(browser, batch), "shown-", "had-")
    stars = {f"stars-{one.pk}": "5" for one in assets()}
    sent = {**shown, **stars, "min_stars": "4", "approve_rated": "1"}
    said = browser.post(grid(batch), sent, follow=True).content.decode()

    assert "3 not changed" in said
    assert not Asset.objects.exclude(review_state="pending").exists()


def test_an_image_is_made_anew_and_its_tile_becomes_the_new_one(
    browser: Client,
    batch: Batch,
) -> None:
    asset = assets()[0]
    url = reverse("admin:imagegen_asset_batch_tile", args=[asset.pk])
    page = read(browser, batch)
    sent = {"regenerate": str(asset.pk), f"note-{asset.pk}": "More light"}
    tile = browser.post(grid(batch) + "?fragment=1", sent)
    being_made = read(browser, batch)
    waiting = browser.get(url).content.decode()
    twice = browser.post(grid(batch) + "?fragment=1", sent)
    driver.drive(seconds=20)
    ready = browser.get(url).content.decode()
    new = Asset.objects.get(job__replaces=asset.job)

    assert page.count("Make it anew with the note (0.02") == 3
    assert "is being made with your note" in tile.content.decode()
    assert "data-done" not in waiting
    assert "1 image is being made anew" in being_made
    assert "<imagegen-live src" in being_made
    assert (twice.status_code, Job.objects.count()) == (422, 4)
    assert "data-done" in ready
    assert f'name="decision-{new.pk}"' in ready
    assert "Superseded" in read(browser, batch)
    assert new.job.prompt.endswith("\nMore light")


def test_without_script_a_message_says_what_became_of_it(
    browser: Client,
    batch: Batch,
) -> None:
    asset = assets()[0]
    empty = browser.post(grid(batch), {"regenerate": str(asset.pk)}, follow=True)
    done = browser.post(
        grid(batch), {"regenerate": str(asset.pk), f"note-{asset.pk}": "Bluer"}, follow=True
    )
    unknown = browser.post(grid(batch), {"regenerate": "nonsense"})

    assert "The note is empty." in empty.content.decode()
    assert "A new image is being made with your note." in done.content.decode()
    assert unknown.status_code == 404


def test_a_prompt_is_shown_on_wish_and_reading_anothers_is_recorded(
    browser: Client,
    boss: Client,
    batch: Batch,
    client: Client,
    django_user_model: Any,
) -> None:
    asset = assets()[0]
    url = reverse("admin:imagegen_asset_batch_prompt", args=[asset.pk])
    own = browser.get(url).content.decode()
    recorded = AuditEvent.objects.filter(type="asset.prompt_viewed")
    by_author = recorded.count()
    others = boss.get(url).content.decode()
    stranger = django_user_model.objects.create_user("stranger", is_staff=True)
    client.force_login(stranger)

    assert asset.job.prompt[:20] in own
    assert asset.job.prompt[:20] in others
    assert (by_author, recorded.count()) == (0, 1)
    assert client.get(url).status_code == 404
    assert asset.job.prompt[:20] not in read(boss, batch)


def test_the_objects_present_image_stands_beside_the_new_one(boss: Client, batch: Batch) -> None:
    asset = assets()[0]
    Product.objects.filter(pk=asset.job.row_key).update(image="products/old.png")
    page = read(boss, batch)

    assert page.count("imagegen-present") == 1
    assert "products/old.png" in page


def test_a_page_costs_the_same_for_three_images_and_for_many(boss: Client, batch: Batch) -> None:
    def cost() -> int:
        read(boss, batch)
        with CaptureQueriesContext(connection) as asked:
            page = read(boss, batch)
        assert page.count("data-asset=") == Asset.objects.count()
        return len(asked)

    few = cost()
    for _number in range(12):
        make_asset(job=assets()[0].job, review_state="pending", position=_number + 5)
    assert cost() == few


def test_pages_of_many_images_follow_each_other(
    boss: Client, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review_tiles, "TILES", 2)
    first = read(boss, batch)
    (older,) = re.findall(r'href="\?([^"]+)">Older images', first)
    second = read(boss, batch, f"?{older.replace('&amp;', '&')}")

    assert (first.count("data-asset="), second.count("data-asset=")) == (2, 1)
    assert "Newer images" in second


def test_approved_images_without_a_decision_are_placed_by_their_button(
    boss: Client, batch: Batch
) -> None:
    for asset in assets():
        review.approve(actor=System("reviewer"), asset=asset)
    page = read(boss, batch, "?show=approved")
    boss.post(grid(batch) + "?show=approved", {"place": "1"})
    boss.post(grid(batch) + "?show=approved", {"place": "1"})

    assert "Place 3 approved images" in page
    assert Placement.objects.count() == 3


@pytest.mark.parametrize("moment", ["2020-01-01T10:00", "never"])
def test_a_date_that_cannot_be_is_refused_before_anything_is_decided(
    boss: Client, batch: Batch, moment: str
) -> None:
    shown = fields(read(boss, batch))
    first = assets()[0]
    sent = {f"decision-{first.pk}": "approve", "place": "1", "place_at": moment}

    said = boss.post(grid(batch), {**shown, **sent}, follow=True).content.decode()

    assert "Nothing was scheduled." in said
    assert {one.review_state for one in assets()} == {"pending"}
