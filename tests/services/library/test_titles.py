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


def test_the_words_of_a_job_that_was_requested_again_are_not_told_to_who_asked_for_it() -> None:
    version = make_template()
    first = make_job(template_version=version, variables={"product": "secret"})
    again = make_job(template_version=version, variables={"product": "secret"}, replaces=first)
    free = make_job(prompt="A secret mug", replaces=make_job(prompt="A secret mug"))

    for job in (again, free):
        image = make_asset(job=job, title="", alt_text="")
        assert "secret" not in titles.image_title(image, reader=access.actor_for(job.requester))


def test_what_a_closed_image_shows_is_not_in_its_name() -> None:
    reader = access.actor_for(make_user())
    closed = make_asset(
        review_state="rejected", title="", alt_text="Horrible", hard_category="csam"
    )

    assert "Horrible" not in titles.image_title(closed, reader=reader)
