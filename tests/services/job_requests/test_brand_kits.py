"""Brand kits are created, changed and archived by permission; each content is a version."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from imagegen_app.core.kit_values import PaletteColour
from imagegen_app.core.states import ReviewState
from imagegen_app.core.types import Lora
from imagegen_app.models import AuditEvent, BrandKit
from imagegen_app.services.job_requests import brand_kits, template_drafts, templates
from imagegen_app.services.job_requests.brand_kits import KitDraft, KitInUse
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import NotPermitted
from imagegen_app.services.policy.model_catalog import InvalidRecord
from imagegen_app.testing.factories import make_asset, make_user

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person

pytestmark = pytest.mark.django_db

DRAFT = KitDraft(
    palette=[PaletteColour("Ink", "#101820")],
    style_words="soft light",
    negative_words="text",
    seed=7,
    loras=[Lora("ink", 0.5)],
)


def author(*groups: str) -> Person:
    return access.actor_for(make_user(groups=["Template authors", *groups]))


def made(draft: KitDraft = DRAFT, actor: Person | None = None) -> BrandKit:
    return brand_kits.create(actor=actor or author(), name="House", slug="house", draft=draft)


def kinds() -> list[str]:
    return list(
        AuditEvent.objects.filter(type__startswith="brand_kit.")
        .order_by("pk")
        .values_list("type", flat=True)
    )


def test_each_content_is_a_version_and_the_same_one_is_none() -> None:
    kit, actor = made(), author()
    assert kit.current is not None

    same = brand_kits.publish(actor=actor, kit=kit, draft=replace(DRAFT, note="Again"))
    other = brand_kits.publish(actor=actor, kit=kit, draft=replace(DRAFT, style_words="dark"))

    assert (same.number, other.number) == (1, 2)
    assert brand_kits.is_same(brand_kits.draft_of(same), DRAFT)
    assert brand_kits.digest_of(same) != brand_kits.digest_of(other)
    assert kinds() == [
        "brand_kit.created",
        "brand_kit.version_published",
        "brand_kit.version_published",
    ]


def test_a_kit_is_renamed_archived_and_restored() -> None:
    kit, actor = made(), author()

    brand_kits.rename(actor=actor, kit=kit, name="Home")
    brand_kits.archive(actor=actor, kit=kit)
    brand_kits.archive(actor=actor, kit=kit)
    brand_kits.archive(actor=actor, kit=kit, archived=False)

    assert kinds()[2:] == ["brand_kit.changed", "brand_kit.archived", "brand_kit.restored"]


def test_a_kit_that_published_templates_inherit_is_not_archived() -> None:
    kit = made()
    draft = template_drafts.Draft(body="A mug", brand_kit=kit)
    template = templates.create(actor=author(), name="Mugs", slug="mugs", draft=draft)

    with pytest.raises(KitInUse, match="Mugs"):
        brand_kits.archive(actor=author(), kit=kit)

    templates.archive(actor=author(), template=template)
    brand_kits.archive(actor=author(), kit=kit)
    with pytest.raises(InvalidRecord) as refused:
        template_drafts.check(draft)
    assert refused.value.field == "brand_kit"


def test_only_authors_may_write() -> None:
    kit = made()
    editor = access.actor_for(make_user(groups=["Image editors"]))

    for act in (
        lambda: made(actor=editor),
        lambda: brand_kits.publish(actor=editor, kit=kit, draft=KitDraft()),
        lambda: brand_kits.rename(actor=editor, kit=kit, name="Other"),
        lambda: brand_kits.archive(actor=editor, kit=kit),
    ):
        with pytest.raises(NotPermitted):
            act()


def test_a_short_name_is_taken_once() -> None:
    made()

    with pytest.raises(InvalidRecord) as refused:
        made()

    assert refused.value.field == "slug"


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"palette": [PaletteColour("Ink", "black")]}, "palette"),
        ({"palette": [PaletteColour("", "#101820")]}, "palette"),
        ({"palette": [PaletteColour("Ink", "#101820")] * 2}, "palette"),
        ({"palette": [PaletteColour(f"Ink {n}", "#101820") for n in range(25)]}, "palette"),
        ({"style_words": "x" * 2001}, "style_words"),
        ({"negative_words": "x" * 2001}, "negative_words"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**31}, "seed"),
        ({"loras": [Lora(str(n)) for n in range(9)]}, "loras"),
        ({"references": [uuid4()]}, "references"),
        ({"references": [uuid4() for _n in range(5)]}, "references"),
    ],
)
def test_a_draft_that_is_not_valid_is_refused(content: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRecord) as refused:
        made(replace(DRAFT, **content))

    assert refused.value.field == field
    assert not BrandKit.objects.exists()


def test_only_an_approved_image_that_the_author_may_see_becomes_a_reference() -> None:
    asset, waiting = make_asset(), make_asset(review_state=ReviewState.PENDING)
    seeing = author("Image reviewers")

    with pytest.raises(NotPermitted):
        made(replace(DRAFT, references=[asset.pk]))
    for keys, reason in (([waiting.pk], "not approved"), ([asset.pk, asset.pk], "twice")):
        with pytest.raises(InvalidRecord, match=reason):
            made(replace(DRAFT, references=keys), actor=seeing)
    kit = made(replace(DRAFT, references=[asset.pk]), actor=seeing)

    # Who changes something else later need not see it.
    brand_kits.publish(
        actor=author(), kit=kit, draft=replace(DRAFT, references=[asset.pk], seed=None)
    )
    assert kit.versions.count() == 2
