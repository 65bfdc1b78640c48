"""An image is named by words people know, and never by what they may not read."""

from __future__ import annotations

import pytest

from imagegen_app.services.library import titles
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_job, make_template, make_user

pytestmark = pytest.mark.django_db


def test_an_image_is_named_by_its_title_its_template_or_its_description() -> None:
    reader = access.actor_for(make_user())
    version = make_template()
    job = make_job(template_version=version, variables={"product": "red"})

    assert titles.image_title(make_asset(title="Spring"), reader=reader) == "Spring"
    assert titles.image_title(make_asset(title="", alt_text="A mug. "), reader=reader) == "A mug"
    named = make_asset(job=job, title="", alt_text="A vase")
    assert titles.image_title(named, reader=reader) == f"{version.template.name}: A vase"
    assert (
        titles.image_title(named, reader=access.actor_for(job.requester))
        == f"{version.template.name}: red"
    )


def test_what_a_closed_image_shows_is_not_in_its_name() -> None:
    reader = access.actor_for(make_user())
    closed = make_asset(
        review_state="rejected", title="", alt_text="Horrible", hard_category="csam"
    )

    assert "Horrible" not in titles.image_title(closed, reader=reader)
