"""What a model does not have is refused before any call, whichever way it is asked for."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.urls import reverse

from imagegen_app import estimate, generate
from imagegen_app.core.types import InputRole, Lora, Operation
from imagegen_app.models import Attempt, Job
from imagegen_app.services.batches import planning
from imagegen_app.services.job_requests import template_drafts, templates
from imagegen_app.services.job_requests.values import InputSource, InvalidJobRequest
from imagegen_app.services.policy import access
from imagegen_app.services.policy.model_catalog import InvalidRecord
from imagegen_app.testing.factories import (
    make_grant,
    make_group,
    make_image,
    make_image_model,
    make_provider,
    make_template,
    make_user,
)
from project.catalog.models import Category, Product

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.models import ImageModel
    from tests.services.conftest import Site

NOT_OFFERED = "“Plain” does not support this ({part}): not offered."
#: What `gpt-image-1` does not have, by the keyword for it in code.
LACKING: list[tuple[str, Any, str]] = [
    ("seed", 7, "seed"),
    ("negative_prompt", "hands", "negative prompt"),
    ("parameters", {"steps": "30"}, "steps"),
    ("parameters", {"sampler": "Euler a"}, "sampler"),
    ("loras", [Lora("paint", 0.5)], "LoRA"),
]


@pytest.fixture
def plain(site: Site) -> ImageModel:
    """A model that takes neither seed nor negative prompt, and few parameters."""
    made = make_image_model(
        name="Plain", provider=make_provider(adapter="openai"), provider_model_name="gpt-image-1"
    )
    make_grant(group=make_group("Image editors"), image_model=made)
    return made


def assert_nothing_was_requested() -> None:
    assert not Job.objects.exists()
    assert not Attempt.objects.exists()


@pytest.mark.parametrize(("keyword", "value", "part"), LACKING)
def test_in_code(site: Site, plain: ImageModel, keyword: str, value: Any, part: str) -> None:
    wanted = {"prompt": "A mug", "model": plain.slug, keyword: value}

    for function in (generate, estimate):
        with pytest.raises(InvalidJobRequest) as refused:
            function(user=site.actor.user, **wanted)
        assert refused.value.reason == NOT_OFFERED.format(part=part)
        assert refused.value.remedy == "Choose another value or another model."
    assert_nothing_was_requested()


@pytest.mark.parametrize(
    ("option", "part"),
    [
        ({"seed": 7}, "seed"),
        ({"negative": "hands"}, "negative prompt"),
        ({"parameter": ["steps=30"]}, "steps"),
    ],
)
def test_from_the_shell(site: Site, plain: ImageModel, option: dict[str, Any], part: str) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("imagegen_generate", user="edda", prompt="A mug", model=plain.slug, **option)

    assert NOT_OFFERED.format(part=part) in str(refused.value)
    assert_nothing_was_requested()


TEMPLATES: list[tuple[dict[str, Any], str]] = [
    ({"negative": "hands"}, "negative prompt"),
    ({"seed_strategy": "fixed", "seed": 7}, "seed"),
    ({"seed_strategy": "per_row"}, "seed"),
]


@pytest.mark.parametrize(("fixed", "part"), TEMPLATES)
def test_by_a_template(site: Site, plain: ImageModel, fixed: dict[str, Any], part: str) -> None:
    make_template(slug="mugs", **fixed)

    with pytest.raises(InvalidJobRequest) as refused:
        generate(
            user=site.actor.user,
            template="mugs",
            variables={"product": "mug"},
            model=plain.slug,
            row_key="1",
        )

    assert refused.value.reason == NOT_OFFERED.format(part=part)
    assert_nothing_was_requested()


@pytest.mark.parametrize(("fixed", "part"), TEMPLATES)
def test_by_the_rows_of_a_batch(
    site: Site, plain: ImageModel, fixed: dict[str, Any], part: str
) -> None:
    shelf = Category.objects.create(name="Shelf", slug="shelf")
    cup = Product.objects.create(
        category=shelf, name="Cup", slug="cup", sku="X-1", price=Decimal(1), colour="red"
    )

    plan = planning.plan(
        actor=site.actor,
        version=make_template(**fixed),
        objects=[cup],
        mapping={"product": "name"},
        image_model=plain,
    )

    assert [row.error for row in plan.rows] == [NOT_OFFERED.format(part=part)]
    assert_nothing_was_requested()


@pytest.mark.parametrize(
    ("fixed", "field", "reason"),
    [
        ({"negative": "hands"}, "negative", "not offered"),
        ({"seed_strategy": "fixed", "seed": 7}, "seed_strategy", "not offered"),
        ({"seed_strategy": "per_row"}, "seed_strategy", "not offered"),
        ({"quality": "finest"}, "quality", "choose one of auto, low, medium, high"),
        ({"count": 11}, "count", "between 1 and 10 images are possible"),
        (
            {"operation": Operation.RELIGHT},
            "operation",
            "“Change the lighting” is not offered by this model",
        ),
    ],
)
def test_when_a_template_for_the_model_is_published(
    plain: ImageModel, fixed: dict[str, Any], field: str, reason: str
) -> None:
    author = access.actor_for(make_user(permissions=["imagegen.add_prompttemplate"]))
    draft = template_drafts.Draft(body="A mug", image_model=plain, **fixed)

    with pytest.raises(InvalidRecord) as refused:
        templates.create(actor=author, name="Mugs", slug="mugs", draft=draft)

    assert (refused.value.field, refused.value.reason) == (field, reason)


def test_a_template_may_name_a_tier_that_its_model_translates(plain: ImageModel) -> None:
    author = access.actor_for(make_user(permissions=["imagegen.add_prompttemplate"]))
    draft = template_drafts.Draft(body="A mug", image_model=plain, quality="standard")

    made = templates.create(actor=author, name="Mugs", slug="mugs", draft=draft)

    assert made.current is not None
    assert made.current.quality == "standard"


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"seed": "7"}, "seed"),
        ({"negative": "hands"}, "negative prompt"),
        ({"p_steps": "30"}, "steps"),
    ],
)
def test_in_the_studio(
    client: Client, site: Site, plain: ImageModel, fields: dict[str, str], part: str
) -> None:
    editor = make_user("ed", groups=["Image editors"], is_staff=True)
    client.force_login(editor)
    recipe = {"shown_template": "", "prompt": "A mug", "image_model": plain.pk, "count": "1"}

    page = client.post(
        reverse("admin:imagegen_studio"), {**recipe, "size": "1024x1024", "generate": "1", **fields}
    )

    assert page.status_code == 422
    assert NOT_OFFERED.format(part=part) in page.content.decode()
    assert_nothing_was_requested()


def test_more_references_than_a_model_takes_are_refused_by_its_limit(
    site: Site, plain: ImageModel
) -> None:
    # They are not even decoded.
    references = [InputSource(data=b"no image")] * 17

    with pytest.raises(InvalidJobRequest) as refused:
        generate(user=site.actor.user, prompt="A mug", model=plain.slug, inputs=references)

    assert refused.value.reason == (
        "“Plain” does not support this (input images): at most 16 images are possible."
    )
    assert_nothing_was_requested()


def test_a_mask_of_another_shape_is_refused_by_both_sizes(site: Site, plain: ImageModel) -> None:
    inputs = [
        InputSource(data=make_image(size=(64, 48))),
        InputSource(data=make_image(size=(64, 64)), role=InputRole.MASK),
    ]

    with pytest.raises(InvalidJobRequest) as refused:
        generate(
            user=site.actor.user,
            prompt="A mug",
            model=plain.slug,
            operation="inpaint",
            inputs=inputs,
        )

    assert refused.value.field == "mask"
    assert "The mask has 64x64 pixels, the image 64x48." in refused.value.reason
    assert_nothing_was_requested()
