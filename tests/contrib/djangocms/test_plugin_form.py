"""The plugin's form has the chooser, what can be done to its image, and the page's AI history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cms.utils.urlutils import admin_reverse
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from imagegen_app.forms.fields import LISTED_ASSETS
from imagegen_app.models import ImageModel
from imagegen_app.testing.factories import make_asset, make_job, make_user
from tests import arranged_rows
from tests.contrib.djangocms.conftest import CMS_EDITOR, add_image, publish, version_of

if TYPE_CHECKING:
    from cms.models import PageContent

    from imagegen_app.contrib.djangocms.models import GeneratedImage
    from imagegen_app.models import Asset


@pytest.fixture
def client(editor: Any) -> Client:
    arranged_rows.demo_shop()
    made = Client()
    made.force_login(editor)
    return made


@pytest.fixture
def asset(client: Client, editor: Any) -> Asset:
    model = ImageModel.objects.get(slug="sandbox-1")
    return make_asset(job=make_job(requester=editor, image_model=model))


def form_of(client: Client, plugin: GeneratedImage) -> str:
    address = admin_reverse("cms_placeholder_edit_plugin", args=[plugin.pk])
    return client.get(f"{address}?cms_path=/en/").content.decode()


def history_of(content: Any) -> str:
    address = reverse("admin:imagegen_object_history")
    return f"{address}?target=cms.PageContent&object={content.pk}"


def test_the_form_has_the_chooser_and_what_can_be_done_to_its_image(
    client: Client, page: PageContent, asset: Asset
) -> None:
    html = form_of(client, add_image(page, asset))

    assert f'href="{reverse("admin:imagegen_library")}"' in html
    for operation in ("remove_background", "outpaint", "upscale", "vary", "edit"):
        assert f"from={asset.pk}&amp;operation={operation}" in html
    quick = html.partition("imagegen-quick")[2].partition("</details>")[0]
    assert quick.count('data-imagegen-open="asset"') == 5
    assert escape(history_of(page)) in quick


def test_a_new_plugin_leads_to_the_history_of_its_page(client: Client, page: PageContent) -> None:
    placeholder = page.rescan_placeholders()["hero"]
    address = admin_reverse("cms_placeholder_add_plugin")
    query = {
        "placeholder_id": placeholder.pk,
        "plugin_type": "GeneratedImagePlugin",
        "plugin_language": "en",
        "plugin_position": 1,
        "cms_path": "/en/",
    }

    html = client.get(address, query).content.decode()

    assert escape(history_of(page)) in html
    assert "operation=vary" not in html


def test_who_may_not_request_images_is_offered_the_chooser_alone(
    client: Client, page: PageContent, asset: Asset
) -> None:
    other = make_user("vera", is_staff=True, permissions=[*CMS_EDITOR, "imagegen.place_asset"])
    plugin = add_image(page, asset)
    client.force_login(other)

    html = form_of(client, plugin)

    assert f'href="{reverse("admin:imagegen_library")}"' in html
    assert f'href="{reverse("admin:imagegen_studio")}"' not in html
    assert "operation=" not in html


def test_the_list_has_the_newest_images_and_the_chosen_one(
    client: Client, page: PageContent, asset: Asset, editor: Any
) -> None:
    plugin = add_image(page, asset)
    job = make_job(requester=editor)
    newer = [make_asset(job=job) for _number in range(LISTED_ASSETS + 1)]

    html = form_of(client, plugin)

    options = html.partition('<select name="asset"')[2].partition("</select>")[0]
    # The empty one, the newest, and the chosen one, which is older than those.
    assert options.count("<option") == 1 + LISTED_ASSETS + 1
    assert f'<option value="{asset.pk}" selected' in options
    assert f'value="{newer[0].pk}"' not in options


def test_the_history_of_a_page_is_that_of_all_its_versions(
    client: Client, page: PageContent, asset: Asset, editor: Any
) -> None:
    add_image(page, asset)
    publish(page, editor)
    draft = version_of(page).copy(editor).content

    html = client.get(history_of(draft)).content.decode()

    assert reverse("admin:imagegen_studio_result", args=[asset.pk]) in html
    assert "shown now" in html
    assert "AI history of “Kiln (en)”" in html


def test_who_may_not_see_the_page_gets_no_history(client: Client, page: PageContent) -> None:
    client.force_login(make_user("nina", is_staff=True, permissions=["imagegen.view_asset"]))

    assert client.get(history_of(page)).status_code == 404
    assert client.get(history_of(page).replace("PageContent", "Page")).status_code == 404
