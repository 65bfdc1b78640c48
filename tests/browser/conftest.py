"""A browser that shows pages of a live site, and takes down what its console complains of."""

from __future__ import annotations

import functools
import os
import shutil
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client

from imagegen_app.models import ImageModel
from imagegen_app.testing.factories import make_job
from tests import arranged_rows, migrated
from tests.browser import site as demo_site
from tests.browser.site import ARGUMENTS, PATIENCE_MS
from tests.conftest import browser_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imagegen_app.models import Job

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
    arranged_rows.demo_shop()
    return settings


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """One Chromium for all tests of this folder; each page has a context, and so a profile, of its own."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser_path(), args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def owner(shop: Any, django_user_model: Any) -> Any:
    """The shop's editor, who is signed in at `page`."""
    return django_user_model.objects.get(username="editor")


@pytest.fixture
def own_job(owner: Any) -> Job:
    """A job of the editor's for two images, at the shop's model."""
    model = ImageModel.objects.get(slug="sandbox-1")
    return make_job(requester=owner, image_model=model, count=2)


@pytest.fixture
def page(owner: Any, live_server: Any, browser: Any) -> Iterator[Any]:
    """A page in which the editor is logged in; errors of the console are in `page.complaints`."""
    context = context_of(owner, live_server, browser)
    opened = open_page(context)
    opened.on("dialog", lambda d: opened.complaints.append(f"dialog: {d.message}"))
    yield opened
    context.close()


def context_of(user: Any, live_server: Any, browser: Any, *, width: int = 1280, **more: Any) -> Any:
    """Return a profile in which a user of the test's own site is signed in."""
    client = Client()
    client.force_login(user)
    context = browser.new_context(viewport={"width": width, "height": 900}, **more)
    session = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    return context


def open_page(context: Any) -> Any:
    """Open a page that waits for long, and takes down what its console complains of."""
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda m: page.complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: page.complaints.append(str(e)))
    return page


@pytest.fixture(scope="package")
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


@pytest.fixture(scope="package")
def sign_in_state(demo: demo_site.Site, browser: Any) -> Callable[[str], Any]:
    """Sign in by the form, once for each user, and return the cookies for a new context."""

    @functools.cache
    def cookies_of(name: str) -> Any:
        context = browser.new_context()
        context.set_default_timeout(PATIENCE_MS)
        demo_site.sign_in(context.new_page(), demo, name)
        state = context.storage_state()
        context.close()
        return state

    return cookies_of


@pytest.fixture
def visit(browser: Any, sign_in_state: Callable[[str], Any]) -> Iterator[Callable[..., Any]]:
    """Open a page with a profile of its own: `visit("editor")` signed in, `visit()` as a visitor."""
    contexts = []

    def opened(name: str = "", *, width: int = 1280, **options: Any) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            storage_state=sign_in_state(name) if name else None,
            **options,
        )
        contexts.append(context)
        return open_page(context)

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="package")
def published(demo: demo_site.Site, browser: Any, sign_in_state: Callable[[str], Any]) -> str:
    """The id of an approved image that is placed on a product, made through the demo's own pages."""
    (key,) = demo.ask("select id from catalog_product where sku = 'HH-VAS-01'")[0]
    context = browser.new_context(storage_state=sign_in_state("editor"))
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(f"{demo.url}/en/admin/catalog/product/{key}/change/")
    page.click("[data-imagegen-open]")
    studio = page.frame_locator("dialog iframe")
    studio.locator(".imagegen-generate:has-text('USD')").click()
    studio.locator(".is-current a.imagegen-button:has-text('Use this image')").first.click()
    studio.locator("button:has-text('Use this image')").click()
    page.locator("[data-picked] img").wait_for(state="visible")
    page.click("input[name=_save]")
    page.wait_for_url("**/product/")
    context.close()
    (asset,) = demo.ask(
        "select asset_id from imagegen_placement where object_id = ? and field = 'image'", str(key)
    )[0]
    return str(uuid.UUID(asset))
