"""The size of the source image is offered where there may be one, and never guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.urls import reverse

from imagegen_app.models import Job
from imagegen_app.testing.factories import make_asset, make_job
from tests.admin.test_studio import STUDIO, edda, recipe, shop  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from django.test import Client


def test_the_size_of_the_source_is_offered_where_there_may_be_one(
    edda: Client,  # noqa: F811 - the fixture
    django_user_model: Any,
) -> None:
    person = django_user_model.objects.get(username="editor")
    asset = make_asset(job=make_job(requester=person))
    alone = edda.get(reverse(STUDIO)).content.decode()
    based = edda.get(reverse(STUDIO), {"from": str(asset.pk)}).content.decode()

    # The script offers it with the first upload; without script the form explains.
    assert (alone.count("data-needs-source"), based.count("data-needs-source")) == (1, 0)


def test_a_size_like_a_source_that_is_not_there_is_refused_and_not_guessed(edda: Client) -> None:  # noqa: F811 - the fixture
    quoted = edda.post(reverse("admin:imagegen_studio_quote"), recipe(size="source"))

    posted: Any = edda.post(reverse(STUDIO), recipe(size="source", generate="1"))

    # An upload is not sent along when the price is asked for.
    assert "Generate 2 · about 0.04 USD" in quoted.content.decode()
    assert posted.status_code == 422
    assert "There is no source image whose size could be kept." in posted.content.decode()
    assert not Job.objects.exists()
