"""A draft is shown with the texts that a batch would send, of real objects or of example values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core import prompts
from imagegen_app.services.batches import template_previews
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.job_requests.template_drafts import Draft
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_brand_kit, make_user
from project.catalog.models import Category, Product

if TYPE_CHECKING:
    from tests.services.conftest import Site

VARIABLES: list[dict[str, Any]] = [
    {"name": "product"},
    {"name": "material", "required": False},
    {"name": "size", "kind": "choice", "choices": ["small", "large"]},
    {"name": "sale", "kind": "switch"},
    {"name": "count", "kind": "number", "minimum": "3"},
    {"name": "tone", "kind": "colour"},
]
DRAFT = Draft(
    body="{{ count }} {{ size }} {{ tone }} {{ product }}{% if material %} of {{ material }}{% endif %}"
    "{% if sale %}, on sale{% endif %}",
    negative="no {{ product }}",
    variables=VARIABLES,
    alt_pattern="A {{ product }}",
)


def test_example_values_show_all_branches() -> None:
    rows = template_previews.preview_examples(DRAFT, prompts.variables_from(VARIABLES))

    assert ["".join(text for text, _name in row.pieces) for row in rows] == [
        "3 small teal Product of Material, on sale",
        "3 small teal Product",
    ]
    assert [name for _text, name in rows[1].pieces if name] == ["count", "size", "tone", "product"]
    assert (rows[0].negative, rows[0].alt_text) == ("no Product", "A Product")


def test_objects_show_their_own_values_and_what_is_missing(site: Site) -> None:
    shelf = Category.objects.create(name="Shelf", slug="shelf")
    cup = Product(category=shelf, name="Cup", slug="cup", sku="C-1", price=1, material="clay")
    target = content_fields.target_by_path("catalog.Product.image")
    assert target is not None
    draft = Draft(body="A {{ product }} of {{ material }}", variables=VARIABLES[:2])

    rows = template_previews.preview_objects(
        draft,
        prompts.variables_from(draft.variables),
        target,
        [cup, Product(category=shelf, name="", slug="x", sku="C-2", price=1)],
    )

    assert rows[0].pieces == (("A ", ""), ("Cup", "product"), (" of ", ""), ("clay", "material"))
    assert rows[1].error == "Product: a value is required."


def test_only_objects_that_the_person_may_see_can_be_chosen(site: Site) -> None:
    assert template_previews.viewable_targets(access.actor_for(make_user())) == []
    reader = access.actor_for(make_user(permissions=["catalog.view_product"]))

    assert [one.path for one in template_previews.viewable_targets(reader)] == [
        "catalog.Product.image"
    ]


@pytest.mark.django_db
def test_what_a_brand_kit_adds_is_shown_apart() -> None:
    kit = make_brand_kit(style_words="at dusk", negative_words="text").kit
    draft = replace(DRAFT, brand_kit=kit)

    row = template_previews.preview_examples(draft, prompts.variables_from(VARIABLES))[0]

    assert row.added == ", at dusk"
    assert row.negative.endswith(", text")
