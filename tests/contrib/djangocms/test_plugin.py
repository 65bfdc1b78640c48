"""The plugin shows approved images to visitors, and tells editors of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cms.toolbar.utils import get_object_edit_url, get_object_preview_url
from cms.utils.urlutils import admin_reverse
from django.db.models import ProtectedError
from django.test import Client

from imagegen_app.contrib.djangocms.models import GeneratedImage
from imagegen_app.core.actors import System
from imagegen_app.core.states import ReviewState
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.library import delivery, review
from imagegen_app.testing.factories import make_asset, make_user
from tests.contrib.djangocms.conftest import CMS_EDITOR, add_image, publish, version_of, visit

if TYPE_CHECKING:
    from cms.models import PageContent

    from imagegen_app.models import Asset

HIDDEN = [ReviewState.PENDING, ReviewState.REJECTED, ReviewState.WITHDRAWN]
EVIL = '"><script>alert(1)</script>'
WARNING = "Not approved: visitors do not see this image"


def form_url(plugin: GeneratedImage) -> str:
    """Return the address of a plugin's form."""
    return f"{admin_reverse('cms_placeholder_edit_plugin', args=[plugin.pk])}?cms_path=/en/"


def choices_of(client: Client, plugin: GeneratedImage) -> set[str]:
    """Return the assets that the plugin's form offers."""
    field = client.get(form_url(plugin)).context["adminform"].form.fields["asset"]
    return {str(asset.pk) for asset in field.queryset}


def test_a_visitor_gets_picture_label_and_caption(page: PageContent, editor: Any) -> None:
    asset = make_asset()
    add_image(page, asset, caption="From our kiln", loads_eagerly=True)
    publish(page, editor)

    html = visit(page)

    assert delivery.public_url(asset.renditions.get(format="webp", width=32)) in html
    assert 'alt="A mug on a table"' in html
    assert 'fetchpriority="high"' in html
    assert "AI generated" in html
    assert "<figcaption>From our kiln</figcaption>" in html
    assert "/files/signed/" not in html


@pytest.mark.parametrize(
    ("fields", "alt"),
    [
        ({"alt_text": "Our kiln"}, "Our kiln"),
        ({"alt_text": "Our kiln", "is_decorative": True}, ""),
        ({}, "A mug on a table"),
    ],
)
def test_the_plugins_alternative_text_takes_precedence_over_the_assets(
    page: PageContent, editor: Any, fields: dict[str, Any], alt: str
) -> None:
    add_image(page, make_asset(), **fields)
    publish(page, editor)

    assert f'alt="{alt}" width="64"' in visit(page)


def test_texts_of_an_editor_are_escaped(page: PageContent, editor: Any) -> None:
    add_image(page, make_asset(), alt_text=EVIL, caption=EVIL)
    publish(page, editor)

    html = visit(page)

    assert "<script>alert(1)" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2


def test_withdrawing_empties_the_published_page_at_once(page: PageContent, editor: Any) -> None:
    asset = make_asset()
    add_image(page, asset, caption="From our kiln")
    publish(page, editor)
    assert "From our kiln" in visit(page)

    review.withdraw(actor=System("tests"), asset=asset)

    html = visit(page)
    assert "From our kiln" not in html
    assert "imagegen-figure" not in html
    assert "AI generated" not in html
    for rendition in asset.renditions.all():
        assert rendition.sha256 not in html


@pytest.mark.parametrize("state", HIDDEN)
@pytest.mark.parametrize("url_of", [get_object_edit_url, get_object_preview_url])
def test_an_editor_sees_an_unapproved_image_with_a_note(
    page: PageContent, editor: Any, client: Client, state: ReviewState, url_of: Any
) -> None:
    add_image(page, make_asset(review_state=state))
    client.force_login(editor)

    html = client.get(url_of(page)).content.decode()

    assert WARNING in html
    assert "/files/signed/" in html


def test_the_note_is_not_there_for_an_approved_image(
    page: PageContent, editor: Any, client: Client
) -> None:
    add_image(page, make_asset())
    client.force_login(editor)

    html = client.get(get_object_edit_url(page)).content.decode()

    assert "imagegen-figure" in html
    assert WARNING not in html


def test_staff_on_the_public_page_sees_what_visitors_see(
    page: PageContent, editor: Any, client: Client
) -> None:
    asset = make_asset()
    add_image(page, asset)
    publish(page, editor)
    review.withdraw(actor=System("tests"), asset=asset)
    client.force_login(editor)

    html = client.get(page.page.get_absolute_url("en")).content.decode()

    assert "imagegen-figure" not in html


def test_an_empty_plugin_says_so_to_editors_only(
    page: PageContent, editor: Any, client: Client
) -> None:
    add_image(page, None)
    client.force_login(editor)
    assert "No image has been chosen yet." in client.get(get_object_edit_url(page)).content.decode()

    publish(page, editor)

    assert "No image has been chosen yet." not in visit(page)


def test_the_form_offers_own_images_and_no_strangers_pending_ones(
    page: PageContent, editor: Any, client: Client
) -> None:
    own = make_asset(review_state="pending", requester=editor)
    make_asset(review_state="pending")
    make_asset(review_state="rejected", requester=editor)
    client.force_login(editor)

    assert choices_of(client, add_image(page, None)) == {str(own.pk)}


def test_the_form_offers_approved_images_to_those_who_may_view_them(
    page: PageContent, client: Client
) -> None:
    viewer = make_user(
        is_staff=True,
        groups=["Image editors"],
        permissions=(*CMS_EDITOR, "imagegen.view_asset"),
    )
    approved = make_asset()
    make_asset(review_state="pending")
    client.force_login(viewer)

    assert choices_of(client, add_image(page, None)) == {str(approved.pk)}


def save(client: Client, plugin: GeneratedImage, **fields: Any) -> GeneratedImage:
    """Send a plugin's form and return the plugin as it is then."""
    values = {"alt_text": "", "caption": "", **fields}
    answer = client.post(form_url(plugin), values)
    assert answer.status_code == 200
    saved: GeneratedImage = GeneratedImage.objects.get(pk=plugin.pk)
    return saved


def test_the_form_saves_a_chosen_image(page: PageContent, editor: Any, client: Client) -> None:
    own = make_asset(review_state="pending", requester=editor)
    client.force_login(editor)

    saved = save(client, add_image(page, None), asset=str(own.pk), caption="New")

    assert (saved.asset, saved.caption) == (own, "New")


def test_the_form_refuses_an_image_that_is_not_for_the_editor(
    page: PageContent, editor: Any, client: Client
) -> None:
    secret = make_asset(review_state="pending")
    client.force_login(editor)

    saved = save(client, add_image(page, None), asset=str(secret.pk), caption="New")

    assert (saved.asset, saved.caption) == (None, "")


@pytest.mark.parametrize("state", [ReviewState.APPROVED, *HIDDEN])
def test_changing_the_caption_keeps_an_image_that_one_could_not_choose(
    page: PageContent, editor: Any, client: Client, state: ReviewState
) -> None:
    stranger_s = make_asset(review_state=state)
    plugin = add_image(page, stranger_s)
    client.force_login(editor)

    assert choices_of(client, plugin) == {str(stranger_s.pk)}
    saved = save(client, plugin, asset=str(stranger_s.pk), caption="Changed")

    assert (saved.asset, saved.caption) == (stranger_s, "Changed")


def test_who_may_not_place_images_may_still_fix_the_caption(
    page: PageContent, client: Client
) -> None:
    writer = make_user(is_staff=True, permissions=(*CMS_EDITOR, "imagegen.view_asset"))
    standing, other = make_asset(), make_asset()
    plugin = add_image(page, standing)
    client.force_login(writer)

    saved = save(client, plugin, asset=str(other.pk), caption="Mended")

    assert (saved.asset, saved.caption) == (standing, "Mended")


def test_a_copied_version_keeps_its_image(page: PageContent, editor: Any) -> None:
    asset = make_asset()
    plugin = add_image(page, asset, caption="Kept")
    publish(page, editor)

    copy = version_of(page).copy(editor).content

    (copied,) = GeneratedImage.objects.filter(placeholder__in=copy.get_placeholders())
    assert copied.pk != plugin.pk
    assert (copied.asset, copied.caption) == (asset, "Kept")


def test_an_asset_on_a_page_cannot_be_deleted(page: PageContent) -> None:
    asset = make_asset(formats=())
    add_image(page, asset)

    @use_case(audited=False)
    def delete(asset: Asset) -> None:
        asset.delete()

    with pytest.raises(ProtectedError):
        delete(asset)
