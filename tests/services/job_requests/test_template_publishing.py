"""A draft is a version that new requests do not use until it is published, and nobody's is passed over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from imagegen_app.core.actors import System
from imagegen_app.models import AuditEvent, PromptTemplate
from imagegen_app.services.job_requests import (
    composition,
    template_drafts,
    template_files,
    template_publishing,
    templates,
)
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.policy import access, template_access
from imagegen_app.services.policy.model_catalog import InvalidRecord
from imagegen_app.testing.factories import make_user

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person

pytestmark = pytest.mark.django_db
DRAFT = template_drafts.Draft(body="A {{ product }}", variables=[{"name": "product"}])
SECOND = replace(DRAFT, body="Two {{ product }}", note="Pairs sell better")


@pytest.fixture
def author() -> Person:
    return access.actor_for(make_user("ann", groups=["Template authors"]))


@pytest.fixture
def template(author: Person) -> PromptTemplate:
    return templates.create(actor=author, name="Mugs", slug="mugs", draft=DRAFT)


def kinds() -> list[str]:
    found = AuditEvent.objects.filter(type__startswith="template.").order_by("pk")
    return list(found.values_list("type", flat=True))


def test_a_draft_changes_nothing_for_requests(author: Person, template: PromptTemplate) -> None:
    draft = template_publishing.save_draft(actor=author, template=template, draft=SECOND)

    template.refresh_from_db()
    assert (draft.number, draft.published_at, draft.created_by) == (2, None, author.user)
    assert template.current is not None
    assert template.current.number == 1
    used = template_access.usable_version(author, "mugs")
    assert used is not None
    assert used.body == "A {{ product }}"
    assert kinds()[-1] == "template.draft_saved"


def test_a_draft_is_published_as_it_is(author: Person, template: PromptTemplate) -> None:
    draft = template_publishing.save_draft(actor=author, template=template, draft=SECOND)

    published = template_publishing.publish_version(actor=author, version=draft)

    template.refresh_from_db()
    assert published.pk == draft.pk == template.current_id
    assert published.published_at is not None
    assert template.versions.count() == 2
    assert kinds()[-1] == "template.version_published"
    assert template_publishing.newest_draft(template) is None


def test_publishing_what_the_draft_says_makes_no_second_version(
    author: Person, template: PromptTemplate
) -> None:
    draft = template_publishing.save_draft(actor=author, template=template, draft=SECOND)

    published = template_publishing.publish(actor=author, template=template, draft=SECOND)

    assert published.pk == draft.pk
    assert template.versions.count() == 2


def test_the_same_draft_is_saved_once(author: Person, template: PromptTemplate) -> None:
    first = template_publishing.save_draft(actor=author, template=template, draft=SECOND)

    assert template_publishing.save_draft(actor=author, template=template, draft=SECOND) == first
    published = template.current
    template_publishing.publish_version(actor=author, version=first)
    template.refresh_from_db()
    assert (
        template_publishing.save_draft(actor=author, template=template, draft=SECOND)
        == template.current
        != published
    )


def test_a_draft_that_was_passed_over_is_published_as_a_new_version(
    author: Person, template: PromptTemplate
) -> None:
    draft = template_publishing.save_draft(actor=author, template=template, draft=SECOND)
    third = replace(DRAFT, body="Three {{ product }}")
    template_publishing.publish(actor=author, template=template, draft=third)

    published = template_publishing.publish_version(actor=author, version=draft)

    assert (published.number, published.body, published.note) == (4, SECOND.body, "= v2")
    draft.refresh_from_db()
    assert draft.published_at is None


def test_another_persons_newer_version_is_not_passed_over(
    author: Person, template: PromptTemplate
) -> None:
    bob = access.actor_for(make_user("bob", groups=["Template authors"]))
    template_publishing.save_draft(actor=bob, template=template, draft=SECOND)
    mine = replace(DRAFT, body="My {{ product }}")

    for store in (template_publishing.publish, template_publishing.save_draft):
        with pytest.raises(template_publishing.NewerVersion, match="bob stored version 2") as told:
            store(actor=author, template=template, draft=mine, seen_version=1)
        assert told.value.number == 2

    stored = template_publishing.publish(
        actor=author, template=template, draft=mine, seen_version=2
    )
    assert stored.number == 3


def test_a_template_whose_first_version_is_a_draft_is_offered_to_nobody(author: Person) -> None:
    template = templates.create(
        actor=author, name="Cups", slug="cups", draft=DRAFT, is_published=False
    )

    assert template.current is None
    assert template_access.usable_version(author, "cups") is None
    with pytest.raises(InvalidJobRequest, match="not published"):
        composition.compose(actor=System("test"), template="cups", variables={"product": "mug"})
    document = template_files.export(actor=author, rows=PromptTemplate.objects.all())
    assert document["templates"] == []

    draft = template_publishing.newest_draft(template)
    assert draft is not None
    template_publishing.publish_version(actor=author, version=draft)
    assert template_access.usable_version(author, "cups") == draft


def test_drafts_of_many_templates_are_found_with_one_query(
    author: Person, template: PromptTemplate, django_assert_num_queries: object
) -> None:
    other = templates.create(actor=author, name="Cups", slug="cups", draft=DRAFT)
    template_publishing.save_draft(actor=author, template=other, draft=SECOND)

    with django_assert_num_queries(1):  # type: ignore[operator]  # pytest-django's fixture
        found = template_publishing.newest_drafts([template.pk, other.pk])

    assert found == {other.pk: 2}


def test_drafts_need_the_permission_and_a_valid_text(
    author: Person, template: PromptTemplate
) -> None:
    reader = access.actor_for(make_user("eve"))
    with pytest.raises(access.NotPermitted):
        template_publishing.save_draft(actor=reader, template=template, draft=SECOND)
    with pytest.raises(InvalidRecord):
        template_publishing.save_draft(
            actor=author, template=template, draft=replace(DRAFT, body="A {{ unknown }}")
        )
    assert template.versions.count() == 1


def test_a_draft_that_went_back_to_what_is_published_does_not_stay_a_draft(
    author: Person, template: PromptTemplate
) -> None:
    template_publishing.save_draft(actor=author, template=template, draft=SECOND)
    back = template_publishing.save_draft(actor=author, template=template, draft=DRAFT)
    assert back.number == 3

    published = template_publishing.publish_version(actor=author, version=back)

    assert published == back
    assert template_publishing.newest_draft(template) is None
