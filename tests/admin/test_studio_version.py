"""A version that is not published can be tried out in the studio, and a template of others cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.core.actors import System
from imagegen_app.models import PromptTemplate
from imagegen_app.services.job_requests import template_files, templates
from imagegen_app.testing.factories import make_group, make_user

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
SHELL = System("test")
STUDIO = "admin:imagegen_studio"


@pytest.fixture
def template() -> PromptTemplate:
    for prompt in ("A {{ old }} vase", "A {{ fresh }} vase"):
        name = prompt.split()[2]
        entry = {"slug": "vase", "name": "Vase", "prompt": prompt, "variables": [{"name": name}]}
        template_files.import_templates(actor=SHELL, document={"templates": [entry]})
    return PromptTemplate.objects.get()


def studio(client: Client, query: str, *permissions: str) -> str:
    names = [f"imagegen.{one}" for one in ("request_job", *permissions)]
    client.force_login(make_user(permissions=names, is_staff=True))
    return client.get(f"{reverse(STUDIO)}?{query}").content.decode()


def test_an_earlier_version_is_tried_out_by_who_may_see_templates(
    client: Client, template: PromptTemplate
) -> None:
    page = studio(client, "template=vase&version=1", "view_prompttemplate")

    assert 'name="v_old"' in page
    assert 'name="tried_version" value="1"' in page
    assert "which is not published" in page
    assert 'name="v_fresh"' in studio(client, "template=vase&version=2", "view_prompttemplate")
    for query in ("template=vase&version=9", "template=vase&version=x"):
        assert 'name="v_fresh"' in studio(client, query, "view_prompttemplate")
    refused = studio(client, "template=vase&version=1")
    assert 'name="v_fresh"' in refused
    assert "Version 1 is not available to you" in refused


def test_the_form_keeps_the_version_as_long_as_the_template_stays(
    client: Client, template: PromptTemplate
) -> None:
    studio(client, "template=vase", "view_prompttemplate")
    data: dict[str, Any] = {"template": "vase", "shown_template": "vase", "tried_version": "1"}

    kept = client.post(reverse(STUDIO), data).content.decode()
    left = client.post(reverse(STUDIO), {**data, "shown_template": "other"}).content.decode()

    assert 'name="v_old"' in kept
    assert 'name="v_fresh"' in left


def test_a_template_of_other_groups_is_not_shown_and_says_whom_to_ask(
    client: Client, template: PromptTemplate
) -> None:
    details = templates.TemplateDetails("Vase", owner=make_user("olga"), groups=[make_group("A")])
    templates.change_details(actor=SHELL, template=template, details=details)

    page = studio(client, "template=vase&version=1", "view_prompttemplate")

    assert "The template “Vase” is for other groups than yours. Ask olga." in page
    assert 'name="v_' not in page
    assert 'value="vase"' not in page
    cards = client.get(reverse("admin:imagegen_studio_templates")).content.decode()
    assert "Vase" not in cards
