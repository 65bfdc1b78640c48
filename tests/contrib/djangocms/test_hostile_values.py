"""The plugin's form, with hostile values in every field: an error in the form, and never one of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from imagegen_app.testing.factories import make_asset
from tests.contrib.djangocms.conftest import add_image
from tests.contrib.djangocms.test_plugin import form_url
from tests.fuzz.conftest import strict_texts
from tests.fuzz.values import VALUES

if TYPE_CHECKING:
    from django.test import Client

__all__ = ["strict_texts"]

FIELDS = ("asset", "alt_text", "is_decorative", "caption", "is_wide", "loads_eagerly")


@pytest.mark.usefixtures("strict_texts")
def test_the_form_refuses_what_it_cannot_store(page: Any, editor: Any, client: Client) -> None:
    plugin = add_image(page, make_asset())
    client.force_login(editor)
    address = form_url(plugin)

    for number, value in enumerate(VALUES):
        for name in (FIELDS[number % len(FIELDS)], "asset"):
            client.post(
                address,
                urlencode({"asset": str(plugin.asset_id), name: value}),
                content_type="application/x-www-form-urlencoded",
            )

    plugin.refresh_from_db()
    assert plugin.position == 1
