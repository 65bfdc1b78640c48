"""A page of the CMS, and the people who work on it."""

from __future__ import annotations

from typing import Any

import pytest
from cms.api import add_plugin, create_page
from cms.models import PageContent
from django.apps import apps
from django.core.cache import cache
from django.test import Client
from djangocms_versioning.models import Version

from imagegen_app.contrib.djangocms.models import GeneratedImage
from imagegen_app.models import Asset
from imagegen_app.testing.factories import make_user

#: What somebody needs of the CMS to edit and publish pages.
CMS_EDITOR = (
    "cms.change_page",
    "cms.view_page",
    "cms.use_structure",
    "imagegen_djangocms.add_generatedimage",
    "imagegen_djangocms.change_generatedimage",
)


@pytest.fixture(autouse=True)
def _empty_cache(db: None) -> None:
    cache.clear()
    # A test that empties the tables gives content types new numbers; versioning keeps the old ones.
    versioning: Any = apps.get_app_config("djangocms_versioning")
    for versioned in versioning.cms_extension.versionables:
        versioned.__dict__.pop("content_types", None)


@pytest.fixture
def editor() -> Any:
    """Somebody who edits pages and places images."""
    return make_user("editor", is_staff=True, groups=["Image editors"], permissions=CMS_EDITOR)


@pytest.fixture
def page(editor: Any) -> PageContent:
    """A draft of a page with an empty place for an image."""
    made = create_page("Kiln", "pages/home.html", "en", created_by=editor)
    content: PageContent = PageContent.admin_manager.get(page=made, language="en")
    content.rescan_placeholders()
    return content


def version_of(content: Any) -> Any:
    """Return a content's version, as the database has it now."""
    return Version.objects.get_for_content(content)


def add_image(content: Any, asset: Asset | None, **fields: Any) -> GeneratedImage:
    """Put the plugin into the page's hero place."""
    placeholder = content.rescan_placeholders()["hero"]
    plugin: GeneratedImage = add_plugin(
        placeholder, "GeneratedImagePlugin", "en", asset=asset, **fields
    )
    return plugin


def publish(content: Any, user: Any) -> None:
    """Publish a draft from code."""
    version_of(content).publish(user)


def visit(content: Any) -> str:
    """Return the page as a visitor gets it."""
    answer = Client().get(content.page.get_absolute_url("en"))
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()
