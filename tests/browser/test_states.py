"""Every state of our pages: nothing for axe-core, nothing beside the screen, also from right to left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import states
from tests.browser.conftest import open_page
from tests.browser.site import barriers

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.slow]
WIDTHS = (1024, 390)
#: Django's own pages hold our tables there, and their faults are theirs.
OURS = "#content"


@pytest.fixture(scope="module")
def keys(demo: Site, browser: Any, sign_in_state: Callable[[str], Any]) -> dict[str, str]:
    """The keys that the states' addresses name, made through the demo's own pages."""
    contexts = []

    def opened(who: str) -> Any:
        context = browser.new_context(storage_state=sign_in_state(who))
        contexts.append(context)
        return open_page(context)

    made = states.prepare(demo, opened)
    for context in contexts:
        context.close()
    return made


@pytest.mark.parametrize("state", states.STATES, ids=lambda state: state.name)
def test_a_state_is_accessible_and_within_the_screen(
    state: states.State, demo: Site, visit: Callable[..., Any], keys: dict[str, str]
) -> None:
    page = visit(state.who, width=1440, reduced_motion="reduce")
    state.open(page, demo, keys)
    states.settled(page)
    is_dialog = page.locator("dialog[open]").count() > 0
    faults = barriers(page, of="dialog[open]" if is_dialog else OURS)
    page.emulate_media(color_scheme="dark")
    page.evaluate("document.getAnimations().forEach((a) => a.finish())")
    faults += barriers(page, of="dialog[open]" if is_dialog else OURS, rule="color-contrast")
    wide = {}
    for direction in ("ltr", "rtl"):
        page.evaluate("(way) => { document.documentElement.dir = way }", direction)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            reached = page.evaluate("document.documentElement.scrollWidth")
            if reached > width:
                wide[direction, width] = reached

    assert faults == []
    assert wide == {}


def test_a_documented_state_is_known() -> None:
    names = {state.name for state in states.STATES}

    assert set(states.IN_DOCS) <= names
    assert len(names) == len(states.STATES)
