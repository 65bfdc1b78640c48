"""The author reads at the stage and on a result what the review desk answered, and goes on from there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.urls import reverse

from imagegen_app.models import Asset, ImageModel
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import sessions
from imagegen_app.services.library import review, review_requests
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_job, make_user
from tests import arranged_rows

if TYPE_CHECKING:
    from uuid import UUID

    from django.test import Client


@pytest.fixture
def edda(client: Client, db: None, immediate: Any, django_user_model: Any) -> Any:
    arranged_rows.demo_shop()
    user = django_user_model.objects.get(username="editor")
    client.force_login(user)
    return access.actor_for(user)


@pytest.fixture
def reviewer(edda: Any) -> Any:
    return access.actor_for(make_user("rosa", groups=["Image reviewers"]))


@pytest.fixture
def session() -> UUID:
    return uuid4()


@pytest.fixture
def waiting(edda: Any, session: UUID) -> Asset:
    use_case(audited=False)(sessions.ensure_sessions)(edda, [session])
    model = ImageModel.objects.get(slug="sandbox-1")
    job = make_job(requester=edda.user, image_model=model, session_id=session, state="succeeded")
    return make_asset(job=job, review_state="pending")


def stage(client: Client, session: UUID) -> Any:
    return client.get(f"{reverse('admin:imagegen_studio_stage')}?session={session}")


def result(client: Client, asset: Asset) -> str:
    return client.get(reverse("admin:imagegen_studio_result", args=[asset.pk])).content.decode()


def test_changes_that_were_requested_are_read_at_the_tile_and_on_the_result(
    client: Client, waiting: Asset, reviewer: Any, session: UUID
) -> None:
    before = stage(client, session)
    assert "imagegen-answer" not in before.content.decode()
    review_requests.request_changes(actor=reviewer, asset=waiting, note="Less <pink>, please")

    # The poll notices it: what is shown has changed.
    tiles = client.get(
        f"{reverse('admin:imagegen_studio_stage')}?session={session}",
        headers={"If-None-Match": before.headers["ETag"]},
    )

    assert tiles.status_code == 200
    for html in (tiles.content.decode(), result(client, waiting)):
        assert "A reviewer sent it back." in html
        assert '<q dir="auto">Less &lt;pink&gt;, please</q>' in html
        assert f"recall={waiting.pk}" in html.partition("imagegen-answer")[2].partition("</a>")[0]
        assert "Change and make again" in html


def test_a_rejection_is_read_with_its_reason(
    client: Client, waiting: Asset, reviewer: Any, session: UUID
) -> None:
    review.reject(actor=reviewer, asset=waiting, note="Two logos", reason="off_brand")

    for html in (stage(client, session).content.decode(), result(client, waiting)):
        assert "A reviewer rejected it: " in html
        assert '<q dir="auto">Two logos</q>' in html
        assert html.count("Two logos") == 1


def test_sent_again_it_waits_and_nothing_is_answered(
    client: Client, waiting: Asset, reviewer: Any, edda: Any, session: UUID
) -> None:
    review_requests.request_changes(actor=reviewer, asset=waiting, note="Less pink")
    review_requests.request_review(actor=edda, asset=waiting)

    assert "imagegen-answer" not in stage(client, session).content.decode()
    assert "imagegen-answer" not in result(client, waiting)


def test_changing_it_begins_with_its_whole_recipe(
    client: Client, waiting: Asset, reviewer: Any
) -> None:
    review.reject(actor=reviewer, asset=waiting, note="Two logos", reason="off_brand")

    html = client.get(f"{reverse('admin:imagegen_studio')}?recall={waiting.pk}").content.decode()

    assert waiting.job.prompt in html
