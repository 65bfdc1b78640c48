"""A site that nobody has used yet says on each page what it is for and what to do first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import site as demo_site
from tests.browser import states
from tests.browser.conftest import open_page
from tests.browser.site import barriers

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.browser, pytest.mark.slow]
WIDTHS = (1440, 1024, 390)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[demo_site.Site]:
    """A demo of its own: other tests fill the shared one."""
    pytest.importorskip("playwright.sync_api")
    yield from demo_site.serve(tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="module")
def signed_in(fresh: demo_site.Site, browser: Any) -> dict[str, Any]:
    """The cookies of each person who looks."""
    found = {}
    for who in {state.who for state in states.FRESH}:
        context = browser.new_context()
        demo_site.sign_in(open_page(context), fresh, who)
        found[who] = context.storage_state()
        context.close()
    return found


#: What a page says to people who have nothing yet.
WORDS = {
    "fresh-studio": "Your images appear here while they are made",
    "fresh-library": "There is no image yet",
    "fresh-chooser": "There is no image yet",
    "fresh-media-library": "There is no image here that you may see.",
}


def test_empty_pages_are_accessible_and_within_the_screen(
    fresh: demo_site.Site, browser: Any, signed_in: dict[str, Any]
) -> None:
    found: dict[str, Any] = {}
    for state in states.FRESH:
        context = browser.new_context(
            viewport={"width": 1440, "height": 900},
            storage_state=signed_in[state.who],
            reduced_motion="reduce",
        )
        page = open_page(context)
        state.open(page, fresh, {})
        states.settled(page)
        faults = barriers(page, of="#content")
        page.emulate_media(color_scheme="dark")
        page.evaluate("document.getAnimations().forEach((a) => a.finish())")
        faults += barriers(page, of="#content", rule="color-contrast")
        wide = []
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wide.append(width)
        found[state.name] = (faults, wide, list(page.complaints))
        context.close()

    assert found == {state.name: ([], [], []) for state in states.FRESH}


def test_empty_pages_say_so(fresh: demo_site.Site, browser: Any, signed_in: dict[str, Any]) -> None:
    said = {}
    for name in WORDS:
        state = next(one for one in states.FRESH if one.name == name)
        context = browser.new_context(storage_state=signed_in[state.who])
        page = open_page(context)
        state.open(page, fresh, {})
        said[name] = page.locator("#content").inner_text()
        context.close()

    assert [name for name, words in WORDS.items() if words not in said[name]] == []
