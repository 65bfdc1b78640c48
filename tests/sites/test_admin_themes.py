"""Our pages hold under the themes that sites give Django's admin, light and dark, wide and narrow."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.site import ARGUMENTS, barriers
from tests.conftest import browser_path
from tests.sites.scratch_site import ScratchSite, make_site
from tests.sites.test_admin_sites import REGISTER_OURS, TWO_SITES

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

#: What each theme adds to the settings, by its module; the browser's scheme decides on dark or light.
THEMES = {
    "unfold": 'INSTALLED_APPS = ["unfold", *INSTALLED_APPS]\n',
    "jazzmin": (
        'INSTALLED_APPS = ["jazzmin", *INSTALLED_APPS]\n'
        'JAZZMIN_SETTINGS = {"use_google_fonts_cdn": False}\n'
        'JAZZMIN_UI_TWEAKS = {"default_theme_mode": "auto"}\n'
    ),
}
IMMEDIATE = 'IMAGEGEN = {"ENGINE": "imagegen_app.engines.immediate.ImmediateEngine"}\n'
#: Makes one image that waits for review, and prints its key.
MAKES_AN_IMAGE = """
from django.contrib.auth import get_user_model
from imagegen_app.testing.factories import make_asset
root = get_user_model().objects.get(username="root")
print(make_asset(review_state="pending", requester=root).pk)
"""


@pytest.fixture(params=THEMES)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> ScratchSite:
    theme = request.param
    if importlib.util.find_spec(theme) is None:
        pytest.skip(f"django-{theme} is not installed")
    urls = TWO_SITES.format(more=REGISTER_OURS)
    if theme == "unfold":
        # Its templates reverse addresses that Django's own class lacks.
        urls = "from unfold.sites import UnfoldAdminSite\n" + urls
        urls = urls.replace("admin.AdminSite(", "UnfoldAdminSite(")
    return make_site(tmp_path, settings=THEMES[theme] + IMMEDIATE, urls=urls)


@pytest.mark.browser
def test_pages_are_found_and_can_be_read(site: ScratchSite) -> None:
    met = site.crawl("/admin/", "/staff/")
    asset = site.python(MAKES_AN_IMAGE).strip().splitlines()[-1]
    pages = {
        "setup": "job/setup/",
        "studio": "job/studio/",
        "overview": "job/overview/",
        "log": "job/log/",
        "list": "asset/",
        "image": f"asset/{asset}/change/",
        "form": "imagemodel/add/",
    }

    with site.served() as address:
        found = _looked_at(
            address, {name: f"/admin/imagegen/{path}" for name, path in pages.items()}
        )

    for start, pages_of in met.items():
        assert pages_of["failed"] == []
        assert pages_of["studio"] == f"{start}imagegen/job/studio/"
    assert found == {}


def _looked_at(address: str, pages: dict[str, str]) -> dict[str, Any]:
    """Return what cannot be read, pressed or seen on the pages, by page, width and scheme."""
    sync_api = pytest.importorskip("playwright.sync_api")
    found: dict[str, Any] = {}
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser_path(), args=ARGUMENTS)
        for scheme in ("light", "dark"):
            context = chromium.new_context(color_scheme=scheme)
            page = context.new_page()
            page.goto(f"{address}/admin/")
            page.fill("[name=username]", "root")
            page.fill("[name=password]", "secret")
            page.press("[name=password]", "Enter")
            page.wait_for_url(f"{address}/admin/")
            for width in (1440, 390):
                page.set_viewport_size({"width": width, "height": 900})
                for name, path in pages.items():
                    page.goto(address + path)
                    if problems := _problems(page, name):
                        found[f"{name} {width} {scheme}"] = problems
            context.close()
        chromium.close()
    return found


def _problems(page: Any, name: str) -> list[str]:
    problems = []
    if page.evaluate("document.documentElement.scrollWidth > innerWidth + 1"):
        problems.append("the page is wider than the screen")
    if name in {"setup", "studio", "overview", "log", "image"}:
        problems += barriers(page, of=".imagegen", rule="color-contrast")
    if name == "image":
        # Buttons whose form stands elsewhere on the page: a theme that moves a block may part them.
        forms = """[...document.querySelectorAll('.imagegen-button[form]')].map(
            b => b.checkVisibility() && b.form ? b.form.id : null)"""
        if "imagegen-evidence" not in (met := page.evaluate(forms)) or None in met:
            problems.append(f"buttons without their form: {json.dumps(met)}")
    if name == "form":
        # A control without a line around it cannot be seen.
        bare = """[...document.querySelectorAll('form[id$=_form] :is(input, textarea)')].filter(e =>
            e.checkVisibility() && !['checkbox', 'radio', 'submit', 'hidden'].includes(e.type)
            && parseFloat(getComputedStyle(e).borderTopWidth) === 0).map(e => e.name)"""
        problems += [f"no line around {one}" for one in page.evaluate(bare)]
    return problems
