"""The page that asks before a collection is deleted, and the deletion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.models import Asset, AuditEvent, Collection
from imagegen_app.services.library import collections, saved_views
from imagegen_app.services.library.asset_filters import AssetFilter
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_job, make_user

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def edda(client: Client) -> Any:
    user = make_user("edda", groups=["Image editors"], is_staff=True)
    client.force_login(user)
    return access.actor_for(user)


@pytest.fixture
def shelf(edda: Any) -> Collection:
    for _number in range(2):
        make_asset(job=make_job(requester=edda.user))
    collection = collections.create(actor=edda, name="Summer", is_shared=True)
    collections.add(actor=edda, collection=collection, assets=Asset.objects.all())
    return collection


def page(collection: Collection) -> str:
    return f"{reverse('admin:imagegen_collection_delete')}?collection={collection.pk}"


def test_the_page_says_what_goes_and_what_stays(
    client: Client, edda: Any, shelf: Collection
) -> None:
    wanted = AssetFilter.from_text(f"collection={shelf.pk}")
    saved_views.save(actor=edda, name="My summer", wanted=wanted)

    html = client.get(page(shelf)).content.decode()

    gone, _middle, stays = html.partition("What stays")
    assert "nobody will find these images by it any more" in gone
    assert "What your view “My summer” shows" in gone
    assert "2 images: their files, texts and tags" in stays
    assert Collection.objects.exists()


def test_it_is_deleted_and_its_images_stay(client: Client, edda: Any, shelf: Collection) -> None:
    answer = client.post(page(shelf), {"collection": shelf.pk}, follow=True)

    assert "The collection “Summer” was deleted." in answer.content.decode()
    assert (Collection.objects.count(), Asset.objects.count()) == (0, 2)
    assert AuditEvent.objects.filter(type="collection.deleted").count() == 1
    assert client.post(page(shelf), {"collection": shelf.pk}).status_code == 404


def test_another_persons_shared_collection_can_be_looked_at_only(
    client: Client, shelf: Collection
) -> None:
    client.force_login(make_user("ben", groups=["Image editors"], is_staff=True))

    html = client.get(page(shelf)).content.decode()
    refused = client.post(page(shelf), {"collection": shelf.pk})

    assert "It belongs to another person." in html
    assert "is-danger" not in html
    assert refused.status_code == 422
    assert Collection.objects.count() == 1
    library = f"{reverse('admin:imagegen_library')}?collection={shelf.pk}"
    assert "Delete this collection" not in client.get(library).content.decode()


def test_the_library_leads_to_it_from_ones_own_collection(
    client: Client, edda: Any, shelf: Collection
) -> None:
    library = f"{reverse('admin:imagegen_library')}?collection={shelf.pk}"

    assert page(shelf) in client.get(library).content.decode()
    assert (
        "Delete this collection"
        not in client.get(reverse("admin:imagegen_library")).content.decode()
    )
    chooser = f"{library}&field=image"
    assert "Delete this collection" not in client.get(chooser).content.decode()


@pytest.mark.parametrize("value", ["", "x", "0", "999999999999999999999"])
def test_no_collection_is_no_page(client: Client, edda: Any, value: str) -> None:
    address = reverse("admin:imagegen_collection_delete")
    assert client.get(address, {"collection": value}).status_code == 404
