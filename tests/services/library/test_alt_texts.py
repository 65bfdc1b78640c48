"""People who cannot see an image are told what it shows, in their language, and never bare values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.template import Context, Template
from django.utils import translation

from imagegen_app.models import AltText, Asset, AuditEvent, Batch
from imagegen_app.services.job_requests import template_drafts, template_publishing, templates
from imagegen_app.services.library import alt_texts, chooser, placement
from imagegen_app.services.policy import access
from imagegen_app.services.policy.model_catalog import InvalidRecord
from imagegen_app.testing.factories import make_asset, make_job, make_template, make_user

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person
    from project.catalog.models import Product

pytestmark = pytest.mark.django_db


@pytest.fixture
def author(settings: Any) -> Person:
    settings.LANGUAGE_CODE = "en"
    return access.actor_for(make_user("edda", groups=["Image editors"]))


def made_with(alt_pattern: str) -> Asset:
    version = make_template(alt_pattern=alt_pattern)
    job = make_job(template_version=version, variables={"product": "blue mug"})
    return make_asset(job=job, alt_text="")


def picture_of(asset: Asset, language: str) -> str:
    with translation.override(language):
        page = Template("{% load imagegen %}{% imagegen_picture asset %}")
        return page.render(Context({"asset": asset}))


def test_a_visitor_gets_the_text_of_their_language(author: Person) -> None:
    asset = make_asset(requester=author.user, alt_text="")

    alt_texts.set_alt_text(
        actor=author, asset=asset, alt_text="A mug", others={"de": " Eine  Tasse ", "xx": "?"}
    )

    assert 'alt="Eine Tasse"' in picture_of(asset, "de")
    assert 'alt="A mug"' in picture_of(asset, "fr")
    assert 'alt="A mug"' in picture_of(asset, "en")
    assert list(AltText.objects.values_list("language", flat=True)) == ["de"]


def test_a_decorative_image_has_no_text_in_any_language(author: Person) -> None:
    asset = make_asset(requester=author.user)
    alt_texts.set_alt_text(actor=author, asset=asset, alt_text="A mug", others={"de": "Tasse"})

    alt_texts.set_alt_text(actor=author, asset=asset, alt_text="", is_decorative=True)

    assert 'alt=""' in picture_of(asset, "de")
    assert 'alt=""' in picture_of(asset, "en")


def test_one_event_tells_which_languages_changed_and_not_their_words(author: Person) -> None:
    asset = make_asset(requester=author.user)

    alt_texts.set_alt_text(actor=author, asset=asset, alt_text="A mug", others={"de": "Tasse"})
    alt_texts.set_alt_text(actor=author, asset=asset, alt_text="A mug", others={"de": "Tasse"})

    event = AuditEvent.objects.get(type="asset.changed", asset_id=asset.pk)
    assert json.loads(event.body)["data"]["languages"] == ["de"]
    assert "Tasse" not in event.body


def test_only_the_author_and_those_who_may_change_images_describe_them(author: Person) -> None:
    asset = make_asset()

    with pytest.raises(access.NotPermitted):
        alt_texts.set_alt_text(actor=author, asset=asset, alt_text="Mine")


def test_the_pattern_of_the_template_is_suggested_and_bare_values_never() -> None:
    with_pattern = made_with("A {{ product }} on a table")
    without = made_with("")

    assert alt_texts.suggested_text(with_pattern) == ("A blue mug on a table", "pattern")
    assert alt_texts.suggested_text(without) == ("", "")


def test_images_of_a_batch_have_the_words_of_the_pattern_before_a_captioners() -> None:
    single, of_batch, without = (made_with(p) for p in ("A {{ product }}", "A {{ product }}", ""))
    for asset in (single, of_batch, without):
        asset.alt_suggestion = "Some mug"
    for asset in (of_batch, without):
        asset.job.batch = Batch(template_version=asset.job.template_version)

    assert alt_texts.suggested_text(single) == ("Some mug", "captioner")
    assert alt_texts.suggested_text(of_batch) == ("A blue mug", "pattern")
    assert alt_texts.suggested_text(without) == ("Some mug", "captioner")


def test_erased_values_leave_no_suggestion() -> None:
    asset = made_with("A {{ product }} on a table")
    asset.job.variables = {}

    assert alt_texts.suggested_text(asset).text == ""


def test_a_pattern_with_an_unknown_variable_is_refused() -> None:
    draft = template_drafts.Draft(
        body="A {{ product }}", variables=[{"name": "product"}], alt_pattern="A {{ colour }} one"
    )

    with pytest.raises(InvalidRecord, match="colour") as refusal:
        template_drafts.check(draft)

    assert refusal.value.field == "alt_pattern"


def test_a_new_pattern_is_a_new_version_and_stays_with_it() -> None:
    actor = access.actor_for(make_user("tom", groups=["Template authors"]))
    draft = template_drafts.Draft(
        body="A {{ product }}", variables=[{"name": "product"}], alt_pattern="A {{ product }}"
    )
    template = templates.create(actor=actor, name="Mugs", slug="mugs", draft=draft)
    assert template.current is not None
    kept = template_drafts.draft_of(template.current)

    again = template_publishing.publish(actor=actor, template=template, draft=kept)

    assert kept.alt_pattern == "A {{ product }}"
    assert again.number == 1


def test_images_without_words_are_found() -> None:
    wordless = make_asset(alt_text="")
    make_asset(alt_text="A mug")
    make_asset(alt_text="", is_decorative=True)
    make_asset(alt_text="", review_state="rejected")

    assert list(alt_texts.needs_words()) == [wordless]


def test_a_site_can_require_words_before_an_image_is_placed(
    author: Person, products: list[Product], settings: Any
) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "REVIEW": {"REQUIRE_ALT_TEXT": True}}
    user = make_user("rolf", is_superuser=True)
    actor = access.actor_for(user)
    asset = make_asset(alt_text="", requester=user)

    with pytest.raises(placement.CannotPlace, match="no alternative text"):
        placement.attach(actor=actor, asset=asset, target=products[0], field="image")
    chooser.choose(actor=actor, asset=asset, is_decorative=True)

    placed = placement.attach(actor=actor, asset=asset, target=products[0], field="image")
    assert placed.asset == asset


def test_a_label_that_the_reviewer_requires_is_shown_with_the_image() -> None:
    plain, labelled = make_asset(), make_asset(is_label_required=True)
    page = Template(
        "{% load imagegen %}{% imagegen_picture asset %}|{% imagegen_picture asset labelled=True %}"
    )

    def labels(asset: Asset) -> list[bool]:
        parts = page.render(Context({"asset": asset})).split("|")
        return ["AI generated" in part for part in parts]

    assert labels(plain) == [False, False]
    assert labels(labelled) == [True, False]
