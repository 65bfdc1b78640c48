"""A template states a size, or leaves it to the model; what it states is made or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagegen_app.core.types import InputRole, Operation, Size
from imagegen_app.services.batches import lifecycle
from imagegen_app.services.job_requests import template_drafts, templates
from imagegen_app.services.job_requests.composition import compose
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

if TYPE_CHECKING:
    from imagegen_app.models import ImageModel
    from tests.services.conftest import Site

pytestmark = pytest.mark.django_db
TAKES_NONE = (
    "The template states a size, and this model takes none: it decides it itself. "
    "Leave the size out of the template, or choose another model."
)


@pytest.fixture
def cutter(site: Site) -> ImageModel:
    """A model that decides the size of its images itself."""
    made = make_image_model(
        provider=make_provider(adapter="fal"), provider_model_name="fal-ai/birefnet"
    )
    make_grant(group=make_group("Image editors"), image_model=made)
    return made


def draft_for(image_model: ImageModel, size: Size | None = None) -> template_drafts.Draft:
    return template_drafts.Draft(
        body="A mug", operation=Operation.REMOVE_BACKGROUND, image_model=image_model, size=size
    )


def test_a_stated_size_is_refused_where_the_template_s_model_takes_none(cutter: ImageModel) -> None:
    author = access.actor_for(make_user(permissions=["imagegen.add_prompttemplate"]))

    with pytest.raises(InvalidRecord) as refused:
        templates.create(
            actor=author, name="Mugs", slug="mugs", draft=draft_for(cutter, Size(512, 512))
        )

    assert (refused.value.field, refused.value.reason) == ("width", TAKES_NONE)


def test_without_one_the_template_is_published_and_says_so_again(cutter: ImageModel) -> None:
    author = access.actor_for(make_user(permissions=["imagegen.add_prompttemplate"]))

    made = templates.create(actor=author, name="Mugs", slug="mugs", draft=draft_for(cutter))

    assert made.current is not None
    assert made.current.size is None
    assert template_drafts.is_same(template_drafts.draft_of(made.current), draft_for(cutter))


def test_a_stated_size_is_refused_where_the_requester_s_model_takes_none(
    site: Site, cutter: ImageModel
) -> None:
    version = make_template(
        variables=[], body="A mug", operation=Operation.REMOVE_BACKGROUND, width=512, height=512
    )
    picture = InputSource(role=InputRole.IMAGE, data=make_image(size=(400, 300)))

    with pytest.raises(InvalidJobRequest) as refused:
        compose(actor=site.actor, template=version, model=cutter, inputs=[picture])

    assert (refused.value.field, f"{refused.value.reason} {refused.value.remedy}") == (
        "size",
        TAKES_NONE,
    )
    with pytest.raises(InvalidJobRequest, match="takes none"):
        lifecycle.estimate_cost(version, cutter, rows=2)


def test_a_size_that_nobody_stated_was_not_chosen(site: Site) -> None:
    free = make_template(variables=[], body="A mug")
    stated = make_template(variables=[], body="A mug", width=512, height=512)

    found = compose(actor=site.actor, template=free, model=site.model)
    other = compose(actor=site.actor, template=stated, model=site.model)

    assert (found.provider_request.size, "size" in found.chosen) == (Size(1024, 1024), False)
    assert (other.provider_request.size, other.chosen["size"]) == (Size(512, 512), "512x512")


def test_an_edit_keeps_its_picture_s_proportions_where_the_template_states_no_size(
    site: Site,
) -> None:
    version = make_template(variables=[], body="In fog", operation=Operation.EDIT)
    picture = InputSource(role=InputRole.IMAGE, data=make_image(size=(640, 320)))

    found = compose(actor=site.actor, template=version, model=site.model, inputs=[picture])

    assert found.provider_request.size == Size(640, 320)
