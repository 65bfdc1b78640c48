"""A browser that shows pages of a live site, and takes down what its console complains of."""

from __future__ import annotations

import os
import shutil
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client

from project import seed
from project.demo import governance
from tests import migrated
from tests.browser import site as demo_site
from tests.browser.site import ARGUMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The synchronous Playwright runs an event loop in this thread; the ORM is used beside it, not in it.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


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


@pytest.fixture(scope="session")
def demo(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any
) -> Iterator[demo_site.Site]:
    """The demo itself: a server and a worker, as `manage.py demo` starts them."""
    pytest.importorskip("playwright.sync_api")
    folder = tmp_path_factory.mktemp("demo")
    if connection.vendor == "sqlite":
        with django_db_blocker.unblock():
            # The apps are the same, so are the tables; `tests/journeys` starts from nothing.
            shutil.copyfile(migrated.sqlite_template(), folder / "demo.sqlite3")
    yield from demo_site.serve(folder)


@pytest.fixture
def visit(demo: demo_site.Site) -> Iterator[Callable[..., Any]]:
    """Open a page in a browser of its own: `visit("editor")` signed in, `visit()` as a visitor."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)

        def opened(name: str = "", *, width: int = 1280, **options: Any) -> Any:
            context = browser.new_context(viewport={"width": width, "height": 900}, **options)
            context.set_default_timeout(60_000)
            made = context.new_page()
            made.complaints = []
            made.on(
                "console",
                lambda m: made.complaints.append(m.text) if m.type == "error" else None,
            )
            made.on("pageerror", lambda e: made.complaints.append(str(e)))
            if name:
                demo_site.sign_in(made, demo, name)
            return made

        yield opened
        browser.close()


@pytest.fixture(scope="session")
def published(demo: demo_site.Site) -> str:
    """The number of an approved image that stands on a product, made through the demo's own pages."""
    sync_api = pytest.importorskip("playwright.sync_api")
    (key,) = demo.ask("select id from catalog_product where sku = 'HH-VAS-01'")[0]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        page = browser.new_page()
        demo_site.sign_in(page, demo, "editor")
        page.goto(f"{demo.url}/en/admin/catalog/product/{key}/change/")
        page.click("[data-imagegen-open]")
        studio = page.frame_locator("dialog iframe")
        studio.locator(".imagegen-generate:has-text('USD')").click()
        studio.locator("a.imagegen-button:has-text('Use this image')").first.click()
        studio.locator("button:has-text('Use this image')").click()
        page.locator("[data-picked] img").wait_for(state="visible")
        page.click("input[name=_save]")
        page.wait_for_url("**/product/")
        browser.close()
    (asset,) = demo.ask(
        "select asset_id from imagegen_placement where object_id = ? and field = 'image'", str(key)
    )[0]
    return str(uuid.UUID(asset))
