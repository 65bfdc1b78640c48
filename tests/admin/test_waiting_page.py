"""The page of a job tells who waits what the provider says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.models import JobPreview
from imagegen_app.services.foundation import clock, worker_registry
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.testing.factories import make_attempt, make_job
from tests.services.arranged import change_job, with_output_check

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.models import Attempt, Job


PREVIEW = b"RIFF-a-small-webp"


@pytest.fixture
def waiting(people: dict[str, Any], client: Client) -> Job:
    """A job of the signed-in editor, whose call is polled."""
    worker_registry.record_heartbeat(name="a")
    client.force_login(people["Image editors"])
    return make_job(requester=people["Image editors"], state="awaiting", count=1)


def call_of(job: Job, **facts: Any) -> Attempt:
    return make_attempt(job=job, state="accepted", **facts)


def test_who_waits_sees_the_providers_queue_and_how_much_is_done(
    client: Client, waiting: Job
) -> None:
    call_of(waiting, provider_stage="queued", queue_position=2)
    change_job(waiting, progress=0.25)

    html = client.get(reverse("admin:imagegen_studio_job", args=[waiting.pk])).content.decode()

    # As data to be spoken, as the headline and in the tile.
    assert html.count("Position 3 in the provider&#x27;s queue") == 3
    assert 'value="25"' in html
    assert "25 % done" in html
    assert html.count('role="status"') == 1
    assert '<p class="imagegen-hidden" role="status" data-said data-own></p>' in html


def test_words_of_a_provider_are_text_and_no_markup(client: Client, waiting: Job) -> None:
    call_of(waiting, provider_stage="<b onload=alert(1)>")

    html = client.get(reverse("admin:imagegen_studio_status", args=[waiting.pk])).content.decode()

    assert "The provider says: &lt;b onload" in html
    assert "<b onload" not in html


def with_preview(job: Job, *, number: int = 1) -> str:
    """Give a job a preview, and return its URL."""
    call_of(job)
    use_case(audited=False)(JobPreview.objects.create)(
        job=job, image=PREVIEW, stored_at=clock.now()
    )
    change_job(job, preview_number=number)
    return reverse("admin:imagegen_studio_preview", args=[job.pk])


def page_of(client: Client, job: Job) -> str:
    address = reverse("admin:imagegen_studio_status", args=[job.pk])
    return client.get(address).content.decode()


def test_the_tile_shows_the_newest_preview_as_what_it_is(client: Client, waiting: Job) -> None:
    address = with_preview(waiting)
    first = client.get(reverse("admin:imagegen_studio_status", args=[waiting.pk]))
    change_job(waiting, preview_number=2)

    html = page_of(client, waiting)

    assert f'src="{address}?n=2"' in html
    assert "Preview, not final" in html
    assert 'alt="Unfinished image; the final one replaces it"' in html
    assert html.count("imagegen-blank") == 0
    # What is spoken is the phase, which a new preview does not change.
    spoken = 'data-say="Generating with'
    assert spoken in html
    assert spoken in first.content.decode()
    unchanged = client.get(
        reverse("admin:imagegen_studio_status", args=[waiting.pk]),
        headers={"if-none-match": first.headers["ETag"]},
    )
    assert unchanged.status_code == 200


def test_a_preview_is_an_image_that_nothing_keeps(client: Client, waiting: Job) -> None:
    answer = client.get(with_preview(waiting))

    assert (answer.status_code, answer.content) == (200, PREVIEW)
    assert answer.headers["Content-Type"] == "image/webp"
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_only_who_may_see_the_job_sees_its_preview(
    client: Client, waiting: Job, people: dict[str, Any]
) -> None:
    address = with_preview(waiting)
    found = {}
    for name, person in people.items():
        client.force_login(person)
        found[name] = client.get(address).status_code

    may_see = {"superuser", "Image editors"} | {
        name for name, person in people.items() if person.has_perm("imagegen.view_job")
    }
    # Who is no member of the staff is asked to sign in.
    expected = {name: 200 if name in may_see else 404 for name in people} | {"visitor": 302}
    assert found == expected
    assert may_see < set(people)


@pytest.mark.parametrize("state", ["queued", "uncertain", "succeeded"])
def test_none_is_shown_outside_of_a_call(client: Client, waiting: Job, state: str) -> None:
    address = with_preview(waiting)
    ended = {"finished_at": clock.now(), "due_at": None} if state == "succeeded" else {}
    change_job(waiting, state=state, **ended)

    assert client.get(address).status_code == 404
    assert "Preview, not final" not in page_of(client, waiting)


def test_none_is_shown_where_a_content_check_looks_at_images(
    client: Client, waiting: Job, settings: Any
) -> None:
    address = with_preview(waiting)
    with_output_check(settings)

    assert client.get(address).status_code == 404
    assert "Preview, not final" not in page_of(client, waiting)
    assert "imagegen-blank" in page_of(client, waiting)


def test_none_is_shown_before_there_is_one(client: Client, waiting: Job) -> None:
    call_of(waiting)

    answer = client.get(reverse("admin:imagegen_studio_preview", args=[waiting.pk]))

    assert answer.status_code == 404
    assert "imagegen-blank" in page_of(client, waiting)
