"""Templates to choose from: favourites first, then those used last, each with its newest picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.actors import System
from imagegen_app.models import TemplateFavourite, TemplateVersion
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.job_requests import templates
from imagegen_app.services.library import template_cards
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import NotPermitted
from imagegen_app.testing.factories import make_asset, make_job, make_template, make_user

if TYPE_CHECKING:
    from tests.services.conftest import Site


@use_case(audited=False)
def template(name: str) -> TemplateVersion:
    """Publish a template with a name of its own."""
    version = make_template()
    version.template.name = name
    version.template.save(update_fields=["name"])
    return version


def names(site: Site, **options: Any) -> list[str]:
    return [one.template.name for one in template_cards.template_cards(site.actor, **options)]


def test_favourites_come_first_then_the_last_used_then_the_others_by_name(site: Site) -> None:
    ash, birch, cedar = (template(name) for name in ("Ash", "Birch", "Cedar"))
    make_job(requester=site.actor.user, template_version=birch)
    make_job(requester=make_user("sven"), template_version=cedar)
    before = names(site)

    template_cards.set_favourite(actor=site.actor, template=cedar.template, is_favourite=True)

    assert before == ["Birch", "Ash", "Cedar"]
    assert names(site) == ["Cedar", "Birch", "Ash"]
    assert ash.template.name in names(site, words="as")


def test_a_picture_is_the_newest_image_that_may_be_shown(site: Site) -> None:
    version = template("Ash")
    job = make_job(requester=site.actor.user, template_version=version)
    make_asset(job=job, review_state="approved")
    newest = make_asset(job=make_job(template_version=version), review_state="approved")
    make_asset(job=make_job(template_version=version), review_state="pending")

    (card,) = template_cards.template_cards(site.actor)

    assert card.picture == newest


def test_a_withdrawn_template_is_no_choice_and_words_must_all_be_there(site: Site) -> None:
    version = template("Ash on snow")
    template("Ash")
    found = names(site, words="ash snow")
    version.template.is_archived = True
    use_case(audited=False)(version.template.save)()

    assert found == ["Ash on snow"]
    assert names(site) == ["Ash"]
    assert names(site, words="ash fire") == []


def test_a_favourite_is_personal_and_is_set_once(site: Site) -> None:
    version = template("Ash")
    stranger = access.actor_for(make_user("sven"))

    for _ in range(2):
        template_cards.set_favourite(actor=site.actor, template=version.template, is_favourite=True)
    with pytest.raises(NotPermitted):
        template_cards.set_favourite(actor=stranger, template=version.template, is_favourite=True)

    assert TemplateFavourite.objects.count() == 1
    template_cards.set_favourite(actor=site.actor, template=version.template, is_favourite=False)
    assert not TemplateFavourite.objects.exists()


def test_cards_are_narrowed_by_category_owner_and_favourites(site: Site) -> None:
    ash, birch = template("Ash"), template("Birch")
    details = templates.TemplateDetails("Ash", category="Trees", owner=make_user("olga"))
    templates.change_details(actor=System("test"), template=ash.template, details=details)
    template_cards.set_favourite(actor=site.actor, template=birch.template, is_favourite=True)

    assert names(site, category="Trees") == names(site, words="olga") == ["Ash"]
    assert names(site, words="tree") == ["Ash"]
    assert names(site, are_favourites=True) == ["Birch"]
    assert template_cards.usable_categories(site.actor) == ["Trees"]
