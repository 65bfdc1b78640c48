"""A placement keeps the whole row of its object true, and is undone only where that is possible."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone
from PIL import Image

from imagegen_app.core.actors import System
from imagegen_app.models import Placement
from imagegen_app.services.library import placement, takedown
from imagegen_app.testing.factories import make_asset
from project.catalog.models import Category, Product
from tests import arranged_rows
from tests.services.conftest import small  # noqa: F401 - fixture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small")]
SOMEBODY = System("reviewer")


@pytest.fixture
def product() -> Product:
    arranged_rows.products()
    found = Product.objects.earliest("pk")
    Product.objects.filter(pk=found.pk).update(updated_at=timezone.now() - timedelta(days=9))
    found.refresh_from_db()
    return found


def attach(product: Product, **facts: Any) -> Placement:
    asset = make_asset(**facts)
    return placement.attach(actor=SOMEBODY, asset=asset, target=product, field="image")


def _png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "white").save(file, "PNG")
    return file.getvalue()


def row(product: Product) -> Product:
    return Product.objects.get(pk=product.pk)


def sizes(shelf: Category) -> tuple[str, int | None, int | None]:
    return Category.objects.values_list("cover", "cover_width", "cover_height").get(pk=shelf.pk)


def test_placing_and_removing_change_when_the_object_was_last_changed(product: Product) -> None:
    before = product.updated_at
    placed = attach(product)
    after_placing = row(product).updated_at

    placement.detach(actor=SOMEBODY, placement=placed)

    assert before < after_placing < row(product).updated_at


def test_the_sizes_of_the_image_are_stored_with_it_and_restored_with_its_predecessor(
    product: Product,
) -> None:
    shelf, first, second = product.category, make_asset(), make_asset(size=(80, 20))
    placement.attach(actor=SOMEBODY, asset=first, target=shelf, field="cover")
    with_first = sizes(shelf)
    placed = placement.attach(actor=SOMEBODY, asset=second, target=shelf, field="cover")
    with_second = sizes(shelf)

    placement.detach(actor=SOMEBODY, placement=placed)

    assert with_first[1:] == (first.width, first.height)
    assert with_second[1:] == (second.width, second.height) != with_first[1:]
    assert sizes(shelf) == with_first


def test_without_a_predecessor_the_field_and_its_sizes_are_empty_again(product: Product) -> None:
    shelf = product.category
    placed = placement.attach(actor=SOMEBODY, asset=make_asset(), target=shelf, field="cover")

    placement.detach(actor=SOMEBODY, placement=placed)

    assert sizes(shelf) == ("", None, None)


def test_an_image_whose_predecessor_is_gone_is_not_removed_and_the_reason_is_given(
    product: Product,
) -> None:
    first = attach(product)
    second = attach(row(product))
    product.image.storage.delete(first.placed_value)

    with pytest.raises(placement.CannotPlace) as refused:
        placement.detach(actor=SOMEBODY, placement=second)

    assert "earlier image no longer exists" in refused.value.reason
    assert refused.value.remedy
    assert row(product).image.name == second.placed_value
    assert Placement.objects.active().filter(pk=second.pk).exists()


def test_a_takedown_leaves_no_name_of_a_file_that_is_gone(product: Product) -> None:
    first = attach(product)
    second = attach(row(product))
    product.image.storage.delete(first.placed_value)

    takedown.withdraw(actor=SOMEBODY, asset=second.asset)

    assert row(product).image.name == ""


def test_the_alternative_text_reaches_the_object_and_goes_with_the_image(product: Product) -> None:
    placed = attach(product, alt_text="A bud vase on a light table")
    with_image = row(product).image_alt

    placement.detach(actor=SOMEBODY, placement=placed)

    assert with_image == "A bud vase on a light table"
    assert row(product).image_alt == ""


def test_a_text_that_a_person_wrote_stays_when_the_image_goes(product: Product) -> None:
    placed = attach(product, alt_text="A bud vase")
    Product.objects.filter(pk=product.pk).update(image_alt="Our best vase")

    placement.detach(actor=SOMEBODY, placement=placed)

    assert row(product).image_alt == "Our best vase"


def test_the_text_of_the_previous_image_does_not_stay_with_another_one(product: Product) -> None:
    attach(product, alt_text="A bud vase")

    attach(row(product), alt_text="")

    assert row(product).image_alt == ""


def test_an_object_without_an_image_keeps_the_text_that_waits_for_one(product: Product) -> None:
    Product.objects.filter(pk=product.pk).update(image_alt="Our best vase")

    attach(row(product), alt_text="")

    assert row(product).image_alt == "Our best vase"


@pytest.mark.parametrize("alt_text", ["A bud vase", ""])
def test_the_text_that_an_image_replaced_returns_when_it_goes(
    product: Product, alt_text: str
) -> None:
    product.image.save("by-hand.png", ContentFile(_png()))
    Product.objects.filter(pk=product.pk).update(image_alt="Our best vase")
    placed = attach(row(product), alt_text=alt_text)
    with_image = row(product).image_alt

    placement.detach(actor=SOMEBODY, placement=placed)

    assert with_image == alt_text
    assert row(product).image_alt == "Our best vase"


def test_the_text_of_an_earlier_image_returns_with_it_and_is_kept_nowhere_else(
    product: Product,
) -> None:
    attach(product, alt_text="A bud vase")
    second = attach(row(product), alt_text="A jug")

    placement.detach(actor=SOMEBODY, placement=second)

    assert row(product).image_alt == "A bud vase"
    # An erasure blanks the text of the asset, and would not find a copy.
    assert Placement.objects.get(pk=second.pk).previous_alt_text == ""


def test_a_takedown_restores_no_text_of_an_image_that_is_gone(product: Product) -> None:
    first = attach(product, alt_text="A bud vase")
    second = attach(row(product), alt_text="A jug")
    product.image.storage.delete(first.placed_value)

    takedown.withdraw(actor=SOMEBODY, asset=second.asset)

    assert row(product).image_alt == ""


@pytest.mark.parametrize(
    ("alt_text", "expected"),
    [
        ("Bud vase, on a light table.", "bud-vase-on-a-light-table"),
        ("Größe: ein Krug", "grosse-ein-krug"),
        ("../../etc/passwd\t", "etcpasswd"),
        ("word " * 60, "-".join(["word"] * 12)),
    ],
)
def test_the_files_are_named_after_what_they_show(
    product: Product, alt_text: str, expected: str
) -> None:
    placed = attach(product, alt_text=alt_text)

    name = placed.placed_value.rpartition("/")[2]
    assert re.fullmatch(rf"{expected}-[0-9a-f]{{4}}\.\w+", name), name


def test_a_file_without_a_describing_text_is_named_after_its_object(product: Product) -> None:
    placed = attach(product, alt_text="", title="")

    assert placed.placed_value.startswith(f"products/{product.slug}-")
