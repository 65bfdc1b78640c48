"""The stage of the studio: running work first, then what the session has made."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from imagegen_app.models import ImageModel, Job, StudioSession
from imagegen_app.services.foundation import wakeups
from imagegen_app.services.worker import driver
from imagegen_app.testing.factories import make_user
from tests import arranged_rows

if TYPE_CHECKING:
    from django.test import Client

STUDIO = "admin:imagegen_studio"


@pytest.fixture
def edda(client: Client, db: None, immediate: Any, django_user_model: Any) -> Client:
    """The editor of the demo's shop, whose jobs wait until a worker is called."""
    immediate.IMAGEGEN = {
        **immediate.IMAGEGEN,
        "ENGINE": "tests.services.silent_engine.SilentEngine",
    }
    arranged_rows.demo_shop()
    client.force_login(django_user_model.objects.get(username="editor"))
    return client


def request_images(client: Client, **changes: str) -> Job:
    """Press Generate, and return the job."""
    page = client.get(reverse(STUDIO)).content.decode()
    session = re.search(r'name="session" value="([^"]+)"', page)
    assert session is not None
    sent = {
        "template": "",
        "shown_template": "",
        "prompt": "a mug",
        "count": "1",
        "image_model": str(ImageModel.objects.get(slug="sandbox-1").pk),
        "session": session[1],
        "generate": "1",
        **changes,
    }
    answer = client.post(reverse(STUDIO), sent)
    assert answer.status_code == 302, answer.content.decode()
    job: Job = Job.objects.order_by("-pk")[0]
    assert f"again={job.pk}" in answer["Location"]
    assert answer["Location"].endswith("#stage")
    return job


def stage(client: Client, **headers: str) -> Any:
    (session,) = StudioSession.objects.values_list("pk", flat=True)
    return client.get(
        f"{reverse('admin:imagegen_studio_stage')}?session={session}", headers=headers
    )


def test_the_form_stays_as_it_was_sent_and_the_job_runs_beside_it(edda: Client) -> None:
    job = request_images(edda, prompt="a blue mug", count="2")

    page = edda.get(f"{reverse(STUDIO)}?again={job.pk}").content.decode()

    assert ">\na blue mug</textarea>" in page
    assert f'data-key="running-{job.pk}"' in page
    assert page.count(f'data-key="tile-{job.pk}-') == 2
    assert f'viewBox="0 0 {job.width} {job.height}"' in page
    assert "Cancel · free so far" in page


def test_an_ended_job_is_a_turn_with_its_images_and_ways_to_go_on(edda: Client) -> None:
    job = request_images(edda, prompt="a blue mug", count="2", seed="7")
    driver.drive(seconds=10)

    page = edda.get(reverse(STUDIO)).content.decode()

    assert page.count("data-ready-image") == 2
    assert "seed 7" in page
    assert "Use this image" in page
    words = edda.get(f"{reverse(STUDIO)}?again={job.pk}&only=prompt").content.decode()
    seed = edda.get(f"{reverse(STUDIO)}?again={job.pk}&only=seed").content.decode()
    assert "a blue mug</textarea>" in words
    assert 'name="seed" value="7"' not in words
    assert "a blue mug</textarea>" not in seed
    assert 'value="7"' in seed


def test_a_poll_is_304_while_nothing_changes_and_asks_little(edda: Client) -> None:
    request_images(edda)
    first = stage(edda)
    wakeups.record_run("sweep")

    with CaptureQueriesContext(connection) as asked:
        again = stage(edda, if_none_match=first["ETag"])
    driver.drive(seconds=10)
    changed = stage(edda, if_none_match=first["ETag"])

    assert (first.status_code, again.status_code, changed.status_code) == (200, 304, 200)
    assert again.content == b""
    ours = [q["sql"] for q in asked.captured_queries if "imagegen_job" in q["sql"]]
    assert len(ours) <= 2, ours
    assert "data-done" in changed.content.decode()


def test_many_turns_are_shown_by_pages_with_as_many_queries(edda: Client) -> None:
    for number in range(14):
        request_images(edda, prompt=f"mug {number}")
    driver.drive(seconds=30)
    (session,) = StudioSession.objects.values_list("pk", flat=True)
    address = f"{reverse(STUDIO)}?session={session}"

    with CaptureQueriesContext(connection) as asked:
        newest = edda.get(address).content.decode()
    older = re.search(r'href="([^"]+before=[^"]+)#stage"', newest)
    assert older is not None
    oldest = edda.get(older[1].replace("&amp;", "&")).content.decode()

    assert newest.count("data-ready-image") == 12
    assert oldest.count("data-ready-image") == 2
    assert len(asked) <= 22, "\n".join(q["sql"][:140] for q in asked.captured_queries)


def test_all_running_jobs_are_cancelled_at_once(edda: Client) -> None:
    first, second = request_images(edda), request_images(edda, prompt="another")

    page = edda.get(reverse(STUDIO)).content.decode()
    answer = edda.post(
        reverse("admin:imagegen_studio_cancel_all"), {"session": str(first.session_id)}, follow=True
    ).content.decode()

    assert "Cancel all 2 jobs" in page
    assert "2 jobs were cancelled at no cost." in answer
    assert {one.state for one in Job.objects.filter(pk__in=[first.pk, second.pk])} == {"cancelled"}


def test_a_later_job_can_be_moved_to_the_front(edda: Client) -> None:
    first, second = request_images(edda), request_images(edda, prompt="another")
    front = reverse("admin:imagegen_studio_front", args=[second.pk])

    page = edda.get(reverse(STUDIO)).content.decode()
    edda.post(front, {"session": str(first.session_id)})
    moved = edda.get(reverse(STUDIO)).content.decode()

    assert front in page
    assert reverse("admin:imagegen_studio_front", args=[first.pk]) not in page
    assert moved.index(f"running-{second.pk}") < moved.index(f"running-{first.pk}")


def test_sessions_are_listed_renamed_and_begun_anew(edda: Client) -> None:
    job = request_images(edda, prompt="a blue mug")

    edda.post(
        reverse("admin:imagegen_studio_rename"), {"session": str(job.session_id), "name": "Spring"}
    )
    page = edda.get(reverse(STUDIO)).content.decode()
    new = edda.get(f"{reverse(STUDIO)}?session=new").content.decode()

    assert re.search(r'id="imagegen-stage-title"[^>]*>Spring<', page)
    assert re.search(r'id="imagegen-stage-title"[^>]*>New session<', new)
    assert f"session={job.session_id}" in new
    # A job that is not over is shown in whichever session a person works.
    assert f"running-{job.pk}" in new


def test_nobody_sees_another_persons_session(edda: Client, client: Client) -> None:
    job = request_images(edda, prompt="a secret mug")
    driver.drive(seconds=10)
    stranger = make_user("sven", groups=["Image editors"], is_staff=True)
    client.force_login(stranger)

    page = client.get(f"{reverse(STUDIO)}?session={job.session_id}").content.decode()
    polled = client.get(f"{reverse('admin:imagegen_studio_stage')}?session={job.session_id}")
    front = client.post(
        reverse("admin:imagegen_studio_front", args=[job.pk]), {"session": str(job.session_id)}
    )

    assert "secret" not in page
    assert "secret" not in polled.content.decode()
    assert str(job.pk) not in polled.content.decode()
    assert front.status_code == 404


def test_an_empty_studio_says_what_to_do_and_calls_nothing_missing(edda: Client) -> None:
    page = edda.get(reverse(STUDIO)).content.decode()

    assert "Your images appear here while they are made" in page
    assert "The prompt is empty." not in page
    assert page.count("Describe what the image should show.") >= 1


def test_a_poll_without_a_session_is_not_found(edda: Client) -> None:
    assert edda.get(reverse("admin:imagegen_studio_stage")).status_code == 404
    for text in ("x", "new", "0" * 400):
        assert (
            edda.get(f"{reverse('admin:imagegen_studio_stage')}?session={text}").status_code == 404
        )
