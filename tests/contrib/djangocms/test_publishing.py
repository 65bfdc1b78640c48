"""Code places images on pages as an editor would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from djangocms_versioning.constants import DRAFT, PUBLISHED
from djangocms_versioning.exceptions import ConditionFailed
from djangocms_versioning.models import Version

from imagegen_app.contrib.djangocms.models import GeneratedImage
from imagegen_app.contrib.djangocms.publishing import place_on_page
from imagegen_app.models import Placement
from imagegen_app.services.library import delivery
from imagegen_app.services.library.placement import CannotPlace
from imagegen_app.services.policy import access
from imagegen_app.testing.factories import make_asset, make_user
from tests.contrib.djangocms.conftest import CMS_EDITOR, add_image, publish, version_of, visit

if TYPE_CHECKING:
    from cms.models import PageContent


def test_a_draft_gets_the_image_and_stays_a_draft(page: PageContent, editor: Any) -> None:
    asset = make_asset()

    plugin = place_on_page(
        actor=access.actor_for(editor),
        page_content=page,
        asset=asset,
        placeholder="hero",
        alt_text="Our kiln",
        caption="At work",
    )

    assert (plugin.asset, plugin.alt_text, plugin.caption) == (asset, "Our kiln", "At work")
    assert plugin.loads_eagerly
    assert plugin.placeholder.slot == "hero"
    assert version_of(page).state == DRAFT
    assert not Placement.objects.exists()


def test_it_publishes_on_request(page: PageContent, editor: Any) -> None:
    asset = make_asset()

    place_on_page(
        actor=access.actor_for(editor),
        page_content=page,
        asset=asset,
        placeholder="hero",
        publish=True,
    )

    assert version_of(page).state == PUBLISHED
    assert Placement.objects.active().get().asset == asset
    assert delivery.public_url(asset.renditions.get(format="jpeg", width=32)) in visit(page)


def test_a_published_page_is_changed_in_a_new_version(page: PageContent, editor: Any) -> None:
    publish(page, editor)
    asset = make_asset()

    plugin = place_on_page(
        actor=access.actor_for(editor),
        page_content=page,
        asset=asset,
        placeholder="hero",
        publish=True,
    )

    assert plugin.placeholder.source != page
    assert Version.objects.get_for_content(plugin.placeholder.source).state == PUBLISHED
    assert not GeneratedImage.objects.filter(placeholder__in=page.get_placeholders()).exists()


def test_a_second_image_takes_the_first_one_s_place(page: PageContent, editor: Any) -> None:
    actor = access.actor_for(editor)
    first, second = make_asset(), make_asset()
    place_on_page(actor=actor, page_content=page, asset=first, placeholder="hero", publish=True)

    place_on_page(actor=actor, page_content=page, asset=second, placeholder="hero", publish=True)

    assert [p.asset for p in Placement.objects.active()] == [second]


def test_an_unapproved_image_leaves_the_page_as_it_was(page: PageContent, editor: Any) -> None:
    publish(page, editor)

    with pytest.raises(ConditionFailed):
        place_on_page(
            actor=access.actor_for(editor),
            page_content=page,
            asset=make_asset(review_state="pending"),
            placeholder="hero",
            publish=True,
        )

    assert Version.objects.count() == 1
    assert not GeneratedImage.objects.exists()


def test_an_unknown_placeholder_is_refused_with_the_known_ones(
    page: PageContent, editor: Any
) -> None:
    with pytest.raises(CannotPlace, match="content, hero, intro"):
        place_on_page(
            actor=access.actor_for(editor),
            page_content=page,
            asset=make_asset(),
            placeholder="nowhere",
        )


def test_an_old_version_is_refused(page: PageContent, editor: Any) -> None:
    add_image(page, make_asset())
    publish(page, editor)
    version_of(page).unpublish(editor)

    with pytest.raises(CannotPlace, match="no longer be edited"):
        place_on_page(
            actor=access.actor_for(editor),
            page_content=page,
            asset=make_asset(),
            placeholder="hero",
        )


@pytest.mark.parametrize(
    "permissions", [(), CMS_EDITOR, ("imagegen.place_asset",)], ids=["none", "cms", "images"]
)
def test_both_permissions_are_needed(page: PageContent, permissions: tuple[str, ...]) -> None:
    user = make_user(is_staff=True, permissions=permissions)

    with pytest.raises(access.NotPermitted):
        place_on_page(
            actor=access.actor_for(user), page_content=page, asset=make_asset(), placeholder="hero"
        )

    assert not GeneratedImage.objects.exists()
