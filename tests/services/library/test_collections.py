"""People gather images in collections, tag them, and keep their filters; the log knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagegen_app.core.actors import Person
from imagegen_app.models import Asset, AuditEvent, CollectionItem
from imagegen_app.services.library import bulk_selection, collections, saved_views, tags
from imagegen_app.services.library.asset_filters import AssetFilter
from imagegen_app.services.library.bulk_selection import InvalidSelection, TooManyImages
from imagegen_app.services.library.collections import NameMissing
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import NotPermitted
from imagegen_app.testing.factories import make_asset, make_user

if TYPE_CHECKING:
    from django.db.models import QuerySet

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Person:
    return access.actor_for(make_user("ada", groups=["Image editors"]))


@pytest.fixture
def ben() -> Person:
    return access.actor_for(make_user("ben", groups=["Image editors"]))


def images() -> QuerySet[Asset]:
    rows: QuerySet[Asset] = Asset.objects.all()
    return rows


def kinds() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("type", flat=True))


def test_a_collection_is_begun_filled_emptied_and_deleted(ada: Person) -> None:
    make_asset(requester=ada.user)
    shelf = collections.create(actor=ada, name="  Spring \n 2026 ")

    assert shelf.name == "Spring 2026"
    assert collections.create(actor=ada, name="Spring 2026") == shelf
    assert collections.add(actor=ada, collection=shelf, assets=images()) == 1
    assert collections.add(actor=ada, collection=shelf, assets=images()) == 0
    assert collections.remove(actor=ada, collection=shelf, assets=images()) == 1
    collections.add(actor=ada, collection=shelf, assets=images())
    collections.delete(actor=ada, collection=shelf)
    assert not CollectionItem.objects.exists()
    assert kinds() == [
        "collection.created",
        "collection.changed",
        "collection.changed",
        "collection.changed",
        "collection.deleted",
    ]


def test_another_persons_collection_is_not_changed(ada: Person, ben: Person) -> None:
    shelf = collections.create(actor=ada, name="Shelf", is_shared=True)

    for act in (collections.add, collections.remove):
        with pytest.raises(NotPermitted):
            act(actor=ben, collection=shelf, assets=images())
    with pytest.raises(NotPermitted):
        collections.delete(actor=ben, collection=shelf)


def test_a_name_is_needed(ada: Person) -> None:
    with pytest.raises(NameMissing):
        collections.create(actor=ada, name=" ")
    with pytest.raises(NameMissing):
        tags.tag(actor=ada, assets=images(), name="")


def test_a_tag_is_one_in_any_letters_and_each_image_has_its_event(ada: Person) -> None:
    for _ in range(2):
        make_asset(requester=ada.user)

    assert tags.tag(actor=ada, assets=images(), name="Spring") == 2
    assert tags.tag(actor=ada, assets=images(), name="SPRING") == 0
    assert tags.untag(actor=ada, assets=images(), name="spring") == 2
    assert tags.untag(actor=ada, assets=images(), name="unknown") == 0
    assert kinds() == ["asset.tagged"] * 2 + ["asset.untagged"] * 2
    assert not any("Spring" in body for body in AuditEvent.objects.values_list("body", flat=True))


def test_other_peoples_images_are_tagged_by_those_who_may_change_them(ada: Person) -> None:
    make_asset()
    reviewer = access.actor_for(make_user(groups=["Image reviewers"]))

    for act in (tags.tag, tags.untag):
        with pytest.raises(NotPermitted):
            act(actor=ada, assets=images(), name="Spring")
    assert tags.tag(actor=reviewer, assets=images(), name="Spring") == 1


def test_one_post_changes_a_limited_number(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_selection, "MAX_IMAGES", 1)
    keys = [str(make_asset(requester=ada.user).pk) for _ in range(2)]
    shelf = collections.create(actor=ada, name="Shelf")

    with pytest.raises(TooManyImages):
        bulk_selection.keys_of(keys)
    with pytest.raises(TooManyImages):
        collections.add(actor=ada, collection=shelf, assets=images())


def test_a_signed_filter_is_one_persons_own(ada: Person, ben: Person) -> None:
    text = bulk_selection.sign_filter(actor=ada, query="state=pending")

    assert bulk_selection.filter_from(actor=ada, text=text) == "state=pending"
    for actor, given in ((ben, text), (ada, text[:-2]), (ada, "")):
        with pytest.raises(InvalidSelection):
            bulk_selection.filter_from(actor=actor, text=given)
    with pytest.raises(InvalidSelection):
        bulk_selection.keys_of(["x"])


def test_a_view_is_saved_under_a_name_and_removed(
    ada: Person, ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = saved_views.save(
        actor=ada, name="Mine to review", wanted=AssetFilter({"state": "pending"})
    )
    again = saved_views.save(actor=ada, name="Mine to review", wanted=AssetFilter({"mine": "1"}))

    assert again == view
    assert [v.query for v in saved_views.views_of(ada)] == ["mine=1"]
    with pytest.raises(NotPermitted):
        saved_views.remove(actor=ben, view=view)
    saved_views.remove(actor=ada, view=view)
    assert not saved_views.views_of(ada)
    assert kinds() == ["view.saved", "view.saved", "view.removed"]
    monkeypatch.setattr(saved_views, "MAX_VIEWS", 2)
    for name in "abc":
        saved_views.save(actor=ada, name=name, wanted=AssetFilter())
    assert [v.name for v in saved_views.views_of(ada)] == ["b", "c"]
