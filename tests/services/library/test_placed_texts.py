"""A reworded alternative text reaches the objects that still show the old one, and no others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.models import Asset, AuditEvent
from imagegen_app.services.library import alt_texts, placed_texts, placement
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_user
from project.catalog.models import Category, Product

pytestmark = pytest.mark.django_db
TYPE = "placement.text_changed"


@pytest.fixture(autouse=True)
def _english(settings: Any) -> None:
    settings.LANGUAGE_CODE = "en"


@pytest.fixture
def author() -> Any:
    user = make_user("edda", groups=["Image editors"], permissions=["catalog.change_product"])
    return access.actor_for(user)


@pytest.fixture
def asset(author: Any) -> Asset:
    return make_asset(requester=author.user, alt_text="A mug")


def shown_on(asset: Asset, *, name: str = "Mug") -> tuple[Any, int]:
    """Return a product that shows the image with its text, and the key of its placement."""
    category = Category.objects.get_or_create(slug="all", name="All")[0]
    product = Product.objects.create(name=name, price=1, slug=name, sku=name, category=category)
    row = placement.attach(actor=System("test"), asset=asset, target=product, field="image")
    product.refresh_from_db()
    return product, row.pk


def keys_of(actor: Any, asset: Asset) -> list[int]:
    places = placed_texts.text_places(actor, [asset])[asset.pk]
    return [one.placement.pk for one in places.changeable]


def text_of(product: Any) -> str:
    return str(Product.objects.get(pk=product.pk).image_alt)


def test_the_new_text_reaches_the_places_with_the_old_one(author: Any, asset: Asset) -> None:
    (same, _key), (own, _other) = shown_on(asset), shown_on(asset, name="Cup")
    own.image_alt = "Our best seller"
    own.save()
    keys = keys_of(author, asset)

    number = alt_texts.set_alt_text(
        actor=author, asset=asset, alt_text="A red mug", placements=keys
    )

    assert (number, len(keys)) == (1, 1)
    assert (text_of(same), text_of(own)) == ("A red mug", "Our best seller")
    event = AuditEvent.objects.get(type=TYPE)
    data = json.loads(event.body)["data"]
    assert (data["target"], data["field"]) == (f"catalog.product:{same.pk}", "image_alt")
    assert "A red mug" not in event.body


def test_without_a_wish_places_keep_their_text(author: Any, asset: Asset) -> None:
    product, _key = shown_on(asset)

    assert alt_texts.set_alt_text(actor=author, asset=asset, alt_text="A red mug") == 0

    assert text_of(product) == "A mug"


def test_decorative_empties_the_copies_and_words_fill_them_again(author: Any, asset: Asset) -> None:
    product, key = shown_on(asset)

    alt_texts.set_alt_text(
        actor=author, asset=asset, alt_text="", is_decorative=True, placements=[key]
    )
    assert text_of(product) == ""

    alt_texts.set_alt_text(actor=author, asset=asset, alt_text="A red mug", placements=[key])
    assert text_of(product) == "A red mug"
    events = [json.loads(one.body)["data"] for one in AuditEvent.objects.filter(type=TYPE)]
    assert sorted(one["is_decorative"] for one in events) == [False, True]


def test_a_place_in_another_language_gets_the_words_of_that_one(author: Any, asset: Asset) -> None:
    alt_texts.set_alt_text(actor=author, asset=asset, alt_text="A mug", others={"de": "Tasse"})
    (german, key), (english, other) = shown_on(asset), shown_on(asset, name="Cup")
    german.image_alt = "Tasse"
    german.save()

    number = alt_texts.set_alt_text(
        actor=author,
        asset=asset,
        alt_text="A mug",
        others={"de": "Rote Tasse"},
        placements=[key, other],
    )

    assert (number, text_of(german), text_of(english)) == (1, "Rote Tasse", "A mug")


def test_who_may_not_change_the_object_changes_nothing_there(asset: Asset) -> None:
    product, key = shown_on(asset)
    other = access.actor_for(make_user("vera", permissions=["imagegen.change_asset"]))
    places = placed_texts.text_places(other, [asset])[asset.pk]

    number = alt_texts.set_alt_text(
        actor=other, asset=asset, alt_text="A red mug", placements=[key]
    )

    assert (number, text_of(product)) == (0, "A mug")
    assert (places.changeable, places.others) == ((), 1)


def test_a_text_that_somebody_wrote_meanwhile_stays(author: Any, asset: Asset) -> None:
    product, key = shown_on(asset)
    keys_of(author, asset)
    Product.objects.filter(pk=product.pk).update(image_alt="Ours")

    number = alt_texts.set_alt_text(
        actor=author, asset=asset, alt_text="A red mug", placements=[key]
    )

    assert (number, text_of(product)) == (0, "Ours")


def test_a_removed_or_replaced_image_leaves_the_text_alone(author: Any, asset: Asset) -> None:
    product, key = shown_on(asset)
    Product.objects.filter(pk=product.pk).update(image="other.png")

    assert keys_of(author, asset) == []
    assert (
        alt_texts.set_alt_text(actor=author, asset=asset, alt_text="A red mug", placements=[key])
        == 0
    )
    assert text_of(product) == "A mug"
