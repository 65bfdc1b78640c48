"""A template's versions hold what was published, and everything else about it can be changed back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core import canonical
from imagegen_app.core.passes import Pass
from imagegen_app.core.types import Lora, Operation, Size
from imagegen_app.models import AuditEvent, PromptTemplate, TemplateVersion
from imagegen_app.services.job_requests import template_drafts, template_publishing, templates
from imagegen_app.services.policy import access
from imagegen_app.services.policy.model_catalog import InvalidRecord
from imagegen_app.testing.factories import make_image_model, make_user

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.core.actors import Person

pytestmark = pytest.mark.django_db
DRAFT = template_drafts.Draft(body="A {{ product }}", variables=[{"name": "product"}])


@pytest.fixture
def author() -> Person:
    return access.actor_for(make_user("ann", groups=["Template authors"]))


def created(author: Person, *, slug: str = "mugs", **changes: Any) -> PromptTemplate:
    return templates.create(
        actor=author, name="Mugs", slug=slug, purpose="Shop", draft=replace(DRAFT, **changes)
    )


def full_draft() -> template_drafts.Draft:
    """Return a draft that differs from every default."""
    model = make_image_model(provider_model_name="sandbox-1")
    return template_drafts.Draft(
        body="A {{ product }}",
        negative="no {{ product }}",
        variables=[{"name": "product", "label": "Product"}],
        operation=Operation.EDIT,
        image_model=model,
        size=Size(512, 768),
        count=3,
        quality="high",
        seed_strategy="fixed",
        seed=7,
        passes=[Pass(operation=Operation.UPSCALE, model=model.slug, factor=2)],
        parameters={"strength": 0.5},
        loras=[Lora("paint", 0.8)],
        note="First try",
    )


def told(kind: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(AuditEvent.objects.get(type=kind).body)["data"]
    return data


def test_a_published_version_holds_the_whole_draft(author: Person) -> None:
    draft = full_draft()

    template = templates.create(actor=author, name="Mugs", slug="mugs", draft=draft)

    version = PromptTemplate.objects.get(pk=template.pk).current
    assert version is not None
    read = template_drafts.draft_of(version)
    assert template_drafts.is_same(read, draft)
    assert (read.size, read.quality) == (draft.size, draft.quality)
    assert read.passes == tuple(draft.passes)
    assert (version.number, version.note, version.created_by) == (1, "First try", author.user)
    assert (version.width, version.height) == (512, 768)


def test_a_new_template_and_its_version_are_told_of(author: Person) -> None:
    version = created(author).current

    assert version is not None
    assert (version.quality, version.negative, version.count, version.seed) == ("", "", 1, None)

    assert told("template.created") == {"template": "mugs"}
    published = told("template.version_published")
    assert (published["template"], published["version"]) == ("mugs", 1)
    # Anybody with the two texts can check it.
    texts = canonical.digest({"body": version.body, "negative": version.negative})
    assert published["digest"] == texts
    assert set(AuditEvent.objects.values_list("actor_id", flat=True)) == {author.id}


def test_versions_with_other_texts_have_other_digests(author: Person) -> None:
    template = created(author)
    for draft in (replace(DRAFT, negative="dark"), replace(DRAFT, body="The {{ product }}")):
        template_publishing.publish(actor=author, template=template, draft=draft)

    rows = AuditEvent.objects.filter(type="template.version_published")
    assert len({json.loads(row.body)["data"]["digest"] for row in rows}) == 3


def test_a_new_version_is_the_one_in_use_and_the_same_again_is_none(author: Person) -> None:
    template = created(author)

    second = template_publishing.publish(
        actor=author, template=template, draft=replace(DRAFT, body="Two {{ product }}")
    )
    again = template_publishing.publish(
        actor=author, template=template, draft=replace(DRAFT, body="Two {{ product }}\r\n")
    )

    assert (second.number, again.pk) == (2, second.pk)
    assert PromptTemplate.objects.get().current == second
    assert template.current == second
    assert TemplateVersion.objects.count() == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"negative": "dark"},
        {"operation": Operation.EDIT},
        {"size": Size(512, 512)},
        {"count": 2},
        {"quality": "high"},
        {"seed_strategy": "fixed", "seed": 1},
        {"variables": [{"name": "product", "label": "Thing"}]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_any_other_content_is_a_new_version(author: Person, changes: dict[str, Any]) -> None:
    template = created(author)

    template_publishing.publish(actor=author, template=template, draft=replace(DRAFT, **changes))

    assert TemplateVersion.objects.count() == 2


def test_a_note_alone_makes_no_version(author: Person) -> None:
    template = created(author)

    template_publishing.publish(
        actor=author, template=template, draft=replace(DRAFT, note="Better")
    )

    assert TemplateVersion.objects.count() == 1


def test_a_short_name_is_taken_once(author: Person) -> None:
    created(author)

    with pytest.raises(InvalidRecord, match="short name already exists") as refused:
        created(author)

    assert refused.value.field == "slug"
    assert PromptTemplate.objects.count() == 1


def test_a_short_name_that_is_taken_meanwhile_is_refused_alike(
    author: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    created(author)
    monkeypatch.setattr(
        PromptTemplate.objects, "filter", lambda **_conditions: PromptTemplate.objects.none()
    )

    with pytest.raises(InvalidRecord, match="short name already exists"):
        created(author)


def test_copies_have_names_of_their_own(author: Person) -> None:
    template = created(author)

    copies = [templates.duplicate(actor=author, template=template) for _ in range(2)]

    assert [(one.slug, one.name, one.purpose) for one in copies] == [
        ("mugs-2", "Mugs (2)", "Shop"),
        ("mugs-3", "Mugs (3)", "Shop"),
    ]
    assert copies[0].current is not None
    assert template_drafts.is_same(template_drafts.draft_of(copies[0].current), DRAFT)


def test_a_template_without_a_version_cannot_be_copied(author: Person) -> None:
    with pytest.raises(InvalidRecord, match="no published version"):
        templates.duplicate(actor=author, template=PromptTemplate(slug="empty", name="Empty"))


def test_a_template_is_renamed_archived_and_restored_in_these_words(author: Person) -> None:
    template = created(author)

    details = replace(templates.details_of(template), name="Cups", purpose="Shop")
    templates.change_details(actor=author, template=template, details=details)
    templates.change_details(actor=author, template=template, details=details)
    templates.archive(actor=author, template=template)
    templates.archive(actor=author, template=template)
    assert PromptTemplate.objects.get().is_archived
    templates.archive(actor=author, template=template, archived=False)

    assert told("template.changed") == {
        "template": "mugs",
        "before": "Mugs",
        "after": "Cups",
        "parts": ["name"],
    }
    assert told("template.archived") == told("template.restored") == {"template": "mugs"}
    stored = PromptTemplate.objects.get()
    assert (stored.name, stored.is_archived) == ("Cups", False)
    changes = AuditEvent.objects.filter(type__in=["template.changed", "template.archived"])
    assert set(changes.values_list("actor_id", "object_id")) == {(author.id, str(template.pk))}


@pytest.mark.parametrize(
    "change",
    [
        lambda actor, _template: created(actor, slug="second"),
        lambda actor, template: templates.duplicate(actor=actor, template=template),
        lambda actor, template: template_publishing.publish(
            actor=actor, template=template, draft=replace(DRAFT, body="Two {{ product }}")
        ),
        lambda actor, template: templates.change_details(
            actor=actor, template=template, details=templates.TemplateDetails("Cups")
        ),
        lambda actor, template: templates.archive(actor=actor, template=template),
    ],
    ids=["create", "duplicate", "publish", "change_details", "archive"],
)
def test_only_authors_change_templates(
    author: Person, change: Callable[[Person, PromptTemplate], Any]
) -> None:
    template = created(author)
    editor = access.actor_for(make_user(groups=["Image editors"]))

    with pytest.raises(access.NotPermitted):
        change(editor, template)

    assert TemplateVersion.objects.count() == 1
    assert PromptTemplate.objects.get().name == "Mugs"


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"body": "   ", "variables": []}, "body", "prompt is empty"),
        ({"body": "A {{ product"}, "body", ""),
        ({"variables": [{"name": "not a name"}]}, "variables", ""),
        ({"seed_strategy": "fixed"}, "seed", "fixed seed needs a number"),
        (
            {"passes": [Pass(operation=Operation.UPSCALE, model="nothing", factor=2)]},
            "passes",
            "",
        ),
    ],
    ids=["empty", "unclosed", "variable", "seed", "pass"],
)
def test_a_draft_that_is_not_valid_is_refused_at_its_field(
    changes: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(InvalidRecord) as refused:
        template_drafts.check(replace(DRAFT, **changes))

    assert refused.value.field == field
    assert refused.value.reason
    assert reason in refused.value.reason


def test_a_random_seed_needs_no_number_and_a_fixed_one_keeps_it() -> None:
    template_drafts.check(DRAFT)
    template_drafts.check(replace(DRAFT, seed_strategy="fixed", seed=0))


def test_a_size_that_the_model_does_not_make_is_refused() -> None:
    model = make_image_model(provider_model_name="sandbox-1")

    with pytest.raises(InvalidRecord) as refused:
        template_drafts.check(replace(DRAFT, image_model=model, size=Size(7, 99_999)))

    assert refused.value.field == "width"
    template_drafts.check(replace(DRAFT, image_model=model, size=Size(512, 512)))
