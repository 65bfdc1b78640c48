"""A browser that shows pages of a live site, and takes down what its console complains of."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.test import Client

from project import seed
from project.demo import governance

if TYPE_CHECKING:
    from collections.abc import Iterator

# The synchronous Playwright runs an event loop in this thread; the ORM is used beside it, not in it.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


@pytest.fixture
def shop(transactional_db: None, settings: Any) -> Any:
    """The demo's shop, whose images are made at once."""
    settings.IMAGEGEN = {
        **django_settings.IMAGEGEN,
        "ENGINE": "imagegen_app.engines.immediate.ImmediateEngine",
        "RENDITIONS": {"WIDTHS": [320], "FORMATS": ["webp", "jpeg"]},
    }
    governance.setup()
    seed.users()
    seed.catalog()
    return settings


@pytest.fixture
def page(shop: Any, live_server: Any, django_user_model: Any) -> Iterator[Any]:
    """A page in which the editor is logged in; errors of the console are in `page.complaints`."""
    sync_api = pytest.importorskip("playwright.sync_api")
    client = Client()
    client.force_login(django_user_model.objects.get(username="editor"))
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_cookies(
            [
                {
                    "name": "sessionid",
                    "value": client.cookies["sessionid"].value,
                    "url": live_server.url,
                }
            ]
        )
        made = context.new_page()
        made.complaints = []
        made.on("console", lambda m: made.complaints.append(m.text) if m.type == "error" else None)
        made.on("pageerror", lambda e: made.complaints.append(str(e)))
        made.on("dialog", lambda d: made.complaints.append(f"dialog: {d.message}"))
        yield made
        browser.close()
