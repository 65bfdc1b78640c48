"""A template can be saved as a draft, gone on with, and published by a button."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from imagegen_app.models import PromptTemplate
from imagegen_app.services.job_requests import template_drafts, template_publishing
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_template, make_user

from .test_template_editor import MAY, sent

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db
ADD = "admin:imagegen_prompttemplate_add"
CHANGE = "admin:imagegen_prompttemplate_change"
LIST = "admin:imagegen_prompttemplate_changelist"
VERSIONS = "admin:imagegen_prompttemplate_versions"
ROW = {"name": "product", "label": "Product", "kind": "text", "required": "on"}


@pytest.fixture
def signed_in(client: Client) -> Client:
    permissions = [f"imagegen.{one}" for one in [*MAY, "request_job"]]
    client.force_login(make_user("ada", permissions=permissions, is_staff=True))
    return client


@pytest.fixture
def template() -> PromptTemplate:
    found = make_template(slug="mugs", body="A {{ product }}").template
    return PromptTemplate.objects.get(pk=found.pk)


def form(body: str, **changes: str) -> dict[str, Any]:
    return sent(ROW, body=body, **changes)


def page(client: Client, name: str, *args: Any, query: str = "") -> str:
    return client.get(reverse(name, args=args) + query).content.decode()


def test_the_button_saves_a_draft_and_stays(signed_in: Client, template: PromptTemplate) -> None:
    address = reverse(CHANGE, args=[template.pk])

    answer = signed_in.post(
        address, form("Two {{ product }}", seen_version="1", _draft="1"), follow=True
    )

    assert answer.redirect_chain == [(address, 302)]
    text = answer.content.decode()
    assert "Version 2 is saved as a draft. Nobody is offered it until it is published." in text
    assert "This is version 2, a draft of ada from" in text
    assert "Two {{ product }}</textarea>" in text
    assert 'name="seen_version" value="2"' in text
    template.refresh_from_db()
    assert template.current is not None
    assert template.current.number == 1
    assert "A {{ product }}</textarea>" in page(signed_in, CHANGE, template.pk, query="?version=1")
    assert "Version 2 is a newer draft." in page(signed_in, CHANGE, template.pk, query="?version=1")
    assert "v1, draft v2" in page(signed_in, LIST)


def test_saving_publishes_the_draft(signed_in: Client, template: PromptTemplate) -> None:
    address = reverse(CHANGE, args=[template.pk])
    signed_in.post(address, form("Two {{ product }}", seen_version="1", _draft="1"))

    signed_in.post(address, form("Two {{ product }}", seen_version="2"))

    template.refresh_from_db()
    assert template.current is not None
    assert (template.current.number, template.versions.count()) == (2, 2)


def test_the_versions_page_publishes_a_draft(signed_in: Client, template: PromptTemplate) -> None:
    signed_in.post(
        reverse(CHANGE, args=[template.pk]),
        form("Two {{ product }}", seen_version="1", _draft="1"),
    )
    text = page(signed_in, VERSIONS, template.pk)
    assert ">draft</span>" in text
    assert "Publish v2</button>" in text

    answer = signed_in.post(
        reverse(f"{VERSIONS}_publish", args=[template.pk]), {"version": "2"}, follow=True
    )

    assert "Version 2 is published." in answer.content.decode()
    assert "Publish v1 again</button>" in answer.content.decode()
    template.refresh_from_db()
    assert template.current is not None
    assert template.current.number == 2


def test_a_draft_that_changes_nothing_is_told(signed_in: Client, template: PromptTemplate) -> None:
    shown = template_drafts.draft_of(template.current) if template.current else None
    assert shown is not None

    answer = signed_in.post(
        reverse(CHANGE, args=[template.pk]),
        form(shown.body, seen_version="1", _draft="1"),
        follow=True,
    )

    assert "Nothing was saved: this is what is published already." in answer.content.decode()
    assert template.versions.count() == 1


def test_two_authors_do_not_pass_over_each_other(
    signed_in: Client, template: PromptTemplate
) -> None:
    bob = access.actor_for(make_user("bob", groups=["Template authors"]))
    theirs = template_drafts.Draft(
        body="Bob's {{ product }}", variables=[{"name": "product", "label": "Product"}]
    )
    template_publishing.publish(actor=bob, template=template, draft=theirs)
    address = reverse(CHANGE, args=[template.pk])

    told = signed_in.post(address, form("Ada's {{ product }}", seen_version="1")).content.decode()

    assert "bob stored version 2 while you were writing." in told
    assert "Ada&#x27;s {{ product }}</textarea>" in told
    assert template.versions.count() == 2
    assert 'name="seen_version" value="2"' in told
    again = signed_in.post(address, form("Ada's {{ product }}", seen_version="2"))
    assert again.status_code == 302
    assert template.versions.count() == 3


def test_a_new_template_may_begin_as_a_draft_and_be_tried_out(signed_in: Client) -> None:
    signed_in.post(reverse(ADD), form("A {{ product }}", _draft="1"))

    template = PromptTemplate.objects.get()
    assert template.current is None
    assert "draft v1" in page(signed_in, LIST)
    studio = "admin:imagegen_studio"
    assert 'name="v_product"' in page(signed_in, studio, query="?template=mugs&version=1")
    assert 'name="v_product"' not in page(signed_in, studio, query="?template=mugs")
    # Who may not see templates cannot try out a draft.
    editor = make_user("eve", permissions=["imagegen.request_job"], is_staff=True)
    signed_in.force_login(editor)
    assert 'name="v_product"' not in page(signed_in, studio, query="?template=mugs&version=1")


@pytest.mark.parametrize("version", ["9", "x", "1" * 400, "-1", "٣"])
def test_an_unknown_version_in_the_address_shows_the_usual_one(
    signed_in: Client, template: PromptTemplate, version: str
) -> None:
    text = page(signed_in, CHANGE, template.pk, query=f"?version={version}")

    assert "A {{ product }}</textarea>" in text
