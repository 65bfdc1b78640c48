"""The studio's page of one request says which one it is, and sets off why it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.urls import reverse

from imagegen_app.testing.factories import make_job, make_user

if TYPE_CHECKING:
    from django.test import Client

PAGE = "admin:imagegen_studio_job"
LIBRARY = "admin:imagegen_library"


def test_a_failed_request_has_its_words_and_its_reason(db: None, client: Client) -> None:
    editor = make_user("editor", is_staff=True, groups=["Image editors"])
    reason = "The provider's service is unavailable."
    job = make_job(requester=editor, prompt="A kiln", state="failed", error_message=reason)
    client.force_login(editor)

    page = client.get(reverse(PAGE, args=[job.pk])).content.decode()

    note = page.partition('<div class="imagegen-note is-bad">')[2].partition("</div>")[0]
    assert "The provider&#x27;s service is unavailable." in note
    assert 'dir="auto">A kiln</h2>' in page
    assert job.image_model.name in page


def test_who_may_see_jobs_does_not_read_a_strangers_words(db: None, client: Client) -> None:
    viewer = make_user("viewer", is_staff=True, permissions=["imagegen.view_job"])
    job = make_job(requester=make_user("stranger"), prompt="A secret kiln", state="failed")
    client.force_login(viewer)

    page = client.get(reverse(PAGE, args=[job.pk])).content.decode()

    assert "secret kiln" not in page
    assert 'dir="auto">Generate</h2>' in page


def test_a_library_without_any_image_offers_no_search_of_it(db: None, client: Client) -> None:
    client.force_login(make_user("editor", is_staff=True, groups=["Image editors"]))

    empty = client.get(reverse(LIBRARY)).content.decode()
    searched = client.get(f"{reverse(LIBRARY)}?q=zebra").content.decode()

    assert "There is no image yet" in empty
    assert 'role="search"' not in empty
    assert 'role="search"' in searched
