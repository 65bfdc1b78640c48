"""The page of a template's versions: their use, a comparison, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.core.actors import System
from imagegen_app.core.operations import Operation
from imagegen_app.models import PromptTemplate
from imagegen_app.services.job_requests import template_publishing, templates
from imagegen_app.services.job_requests.template_drafts import Draft
from imagegen_app.testing.factories import make_user

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
SHELL = System("test")
PAGE = "admin:imagegen_prompttemplate_versions"


@pytest.fixture
def template() -> PromptTemplate:
    """Return a template with two versions."""
    first = Draft(body="A red vase", operation=Operation.GENERATE)
    made = templates.create(actor=SHELL, name="Vase <b>", slug="vase", draft=first)
    template_publishing.publish(
        actor=SHELL, template=made, draft=Draft(body="A blue <i>vase</i>", count=2)
    )
    return made


def sign_in(client: Client, *permissions: str) -> None:
    names = [f"imagegen.{one}" for one in ("view_prompttemplate", *permissions)]
    client.force_login(make_user(permissions=names, is_staff=True))


def test_the_last_two_versions_are_compared(client: Client, template: Any) -> None:
    sign_in(client)

    page = client.get(reverse(PAGE, args=[template.pk])).content.decode()

    assert "What differs between v1 and v2" in page
    assert "<del>red</del>" in page
    assert "<ins>blue</ins>" in page
    assert "&lt;i&gt;vase&lt;/i&gt;" in page
    assert "<b>" not in page.replace("<bdi>", "")
    assert "Publish v1 again" not in page
    form = client.get(reverse("admin:imagegen_prompttemplate_change", args=[template.pk]))
    assert reverse(PAGE, args=[template.pk]) in form.content.decode()


def test_other_versions_are_compared_by_their_numbers(client: Client, template: Any) -> None:
    sign_in(client)

    page = client.get(reverse(PAGE, args=[template.pk]), {"a": "2", "b": "2"}).content.decode()
    assert "Both versions have the same content." in page
    # What is none is not asked for.
    assert client.get(reverse(PAGE, args=[template.pk]), {"a": "x", "b": "9"}).status_code == 200


def test_an_earlier_version_is_published_by_a_button(client: Client, template: Any) -> None:
    sign_in(client, "change_prompttemplate")
    publish = reverse(f"{PAGE}_publish", args=[template.pk])
    assert "Publish v1 again" in client.get(reverse(PAGE, args=[template.pk])).content.decode()

    answer = client.post(publish, {"version": "1"}, follow=True)

    assert "Version 1 is published, as version 3." in answer.content.decode()
    template.refresh_from_db()
    assert template.current.body == "A red vase"
    assert client.post(publish, {"version": "77"}).status_code == 404
    assert client.post(publish, {"version": "²"}).status_code == 404


def test_nobody_publishes_without_the_permission(client: Client, template: Any) -> None:
    sign_in(client)

    answer = client.post(reverse(f"{PAGE}_publish", args=[template.pk]), {"version": "1"})

    assert answer.status_code == 403
    template.refresh_from_db()
    assert template.current.number == 2


def test_a_test_image_of_each_version_is_a_press_away_for_who_may_request(
    client: Client, template: Any
) -> None:
    sign_in(client)
    assert "Make a test image" not in client.get(reverse(PAGE, args=[template.pk])).content.decode()

    sign_in(client, "request_job")
    page = client.get(reverse(PAGE, args=[template.pk])).content.decode()

    address = f"{reverse('admin:imagegen_studio')}?template=vase&amp;version=1&amp;session=new"
    assert address in page
    templates.archive(actor=SHELL, template=template)
    assert address not in client.get(reverse(PAGE, args=[template.pk])).content.decode()


def test_what_looks_wrong_in_the_published_version_is_told(client: Client, template: Any) -> None:
    sign_in(client)
    assert (
        "What the check says" not in client.get(reverse(PAGE, args=[template.pk])).content.decode()
    )

    draft = Draft(body="A vase{% if true %} in blue{% endif %}")
    template_publishing.publish(actor=SHELL, template=template, draft=draft)

    page = client.get(reverse(PAGE, args=[template.pk])).content.decode()
    assert "What the check says of v3, which is published" in page
    assert "Prompt: Line 1, column 10: This condition always holds." in page
