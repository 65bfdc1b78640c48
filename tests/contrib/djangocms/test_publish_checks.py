"""Publishing a page waits for its images, and tells where they stand."""

from __future__ import annotations

from typing import Any

import pytest
from cms.api import create_page
from cms.models import Page, PageContent
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from djangocms_versioning.constants import DRAFT, PUBLISHED, UNPUBLISHED
from djangocms_versioning.exceptions import ConditionFailed
from djangocms_versioning.models import Version

from imagegen_app.contrib.djangocms import publish_checks
from imagegen_app.core.states import ReviewState
from imagegen_app.models import AuditEvent, Placement
from imagegen_app.testing.factories import make_asset, make_user
from tests.contrib.djangocms.conftest import add_image, publish, version_of

HIDDEN = [ReviewState.PENDING, ReviewState.REJECTED, ReviewState.WITHDRAWN]


@pytest.mark.parametrize("state", HIDDEN)
def test_code_cannot_publish_an_unapproved_image(
    page: PageContent, editor: Any, state: ReviewState
) -> None:
    add_image(page, make_asset(review_state=state))
    add_image(page, make_asset())

    with pytest.raises(ConditionFailed, match="1 of its generated images are not approved"):
        publish(page, editor)

    assert version_of(page).state == DRAFT
    assert not Placement.objects.exists()


def test_the_publish_button_says_why_and_publishes_nothing(page: PageContent) -> None:
    add_image(page, make_asset(review_state="pending"))
    version = version_of(page)
    client = Client()
    client.force_login(make_user("chief", is_staff=True, is_superuser=True))

    address = reverse("admin:djangocms_versioning_pagecontentversion_publish", args=[version.pk])
    answer = client.post(address)

    assert answer.status_code == 302
    told = [str(message) for message in get_messages(answer.wsgi_request)]
    assert any("are not approved" in message for message in told), told
    assert Version.objects.get(pk=version.pk).state == DRAFT


def test_the_publish_button_publishes_approved_images(page: PageContent) -> None:
    asset = make_asset()
    add_image(page, asset)
    version = version_of(page)
    chief = make_user("chief", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(chief)

    address = reverse("admin:djangocms_versioning_pagecontentversion_publish", args=[version.pk])
    client.post(address)

    assert Version.objects.get(pk=version.pk).state == PUBLISHED
    # The chief published what the editor had written.
    assert Placement.objects.get().placed_by == chief


def test_an_empty_plugin_does_not_stop_a_page(page: PageContent, editor: Any) -> None:
    add_image(page, None)

    publish(page, editor)

    assert version_of(page).state == PUBLISHED
    assert not Placement.objects.exists()


def test_a_page_without_images_is_published(page: PageContent, editor: Any) -> None:
    publish(page, editor)

    assert version_of(page).state == PUBLISHED


def test_an_image_of_another_page_does_not_stop_this_one(page: PageContent, editor: Any) -> None:
    other = create_page("Other", "pages/home.html", "en", created_by=editor)
    add_image(PageContent.admin_manager.get(page=other), make_asset(review_state="pending"))

    publish(page, editor)

    assert version_of(page).state == PUBLISHED


def test_publishing_records_the_placement(page: PageContent, editor: Any) -> None:
    asset = make_asset()
    plugin = add_image(page, asset)

    publish(page, editor)

    placement = Placement.objects.active().get()
    assert placement.asset == asset
    assert placement.target == page
    assert placement.field == f"hero:{plugin.position}"
    assert placement.object_label == "Kiln (en)"
    assert placement.placed_by == editor
    event = AuditEvent.objects.get(type="placement.created")
    assert (event.asset_id, event.actor_id) == (asset.pk, str(editor.pk))


def test_who_may_not_place_is_not_named_as_placing(page: PageContent) -> None:
    add_image(page, make_asset())
    publisher = make_user("publisher", is_staff=True)

    publish(page, publisher)

    assert Placement.objects.get().placed_by is None
    assert AuditEvent.objects.get(type="placement.created").actor_id == "djangocms"


def test_unpublishing_removes_the_placements(page: PageContent, editor: Any) -> None:
    add_image(page, make_asset())
    publish(page, editor)

    version_of(page).unpublish(editor)

    assert version_of(page).state == UNPUBLISHED
    assert not Placement.objects.active().exists()
    assert Placement.objects.exists()
    assert AuditEvent.objects.filter(type="placement.removed").count() == 1


def test_a_new_version_replaces_the_placements_of_the_old_one(
    page: PageContent, editor: Any
) -> None:
    asset = make_asset()
    add_image(page, asset)
    publish(page, editor)

    fresh = version_of(page).copy(editor)
    fresh.publish(editor)

    (standing,) = Placement.objects.active()
    assert standing.target == fresh.content
    assert standing.asset == asset


def test_a_draft_has_no_placements(page: PageContent, editor: Any) -> None:
    add_image(page, make_asset())
    publish(page, editor)

    version_of(page).copy(editor)

    assert Placement.objects.active().get().target == page


def test_deleting_a_page_removes_its_placements(page: PageContent, editor: Any) -> None:
    add_image(page, make_asset())
    publish(page, editor)

    Page.objects.get(pk=page.page_id).delete()

    assert not Placement.objects.active().exists()
    assert AuditEvent.objects.filter(type="placement.removed").count() == 1


def test_connecting_twice_changes_nothing(page: PageContent, editor: Any) -> None:
    publish_checks.connect()
    add_image(page, make_asset())

    publish(page, editor)

    checks = Version.check_publish
    listed = list(getattr(checks, "functions", checks))
    assert listed.count(publish_checks._require_approved) == 1
    assert AuditEvent.objects.filter(type="placement.created").count() == 1
