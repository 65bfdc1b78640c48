"""Photograph the demo: the pictures of the documentation, or every page and state in all its looks.

`python -m tests.browser.pictures docs` writes those of the documentation; `… all FOLDER` writes each state at
three widths, light and dark, in German, from right to left, in forced colours and with letters of double size.
Names after these limit it to some states. `--url` takes a running demo, with `--folder` as its folder.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.browser import states
from tests.browser.site import ARGUMENTS, PATIENCE_MS, ROOT, Site, serve, sign_in
from tests.conftest import browser_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SCREENS = ROOT / "docs" / "_static" / "screens"
#: Of a picture in the documentation, as it is taken and as it is kept.
DOCS_SIZE = (1280, 800)
DOCS_WIDTH = 1152
_QUALITY = 78
#: A long page ends here in a picture of all.
_MOST_HEIGHT = 3000
_RIGHT_TO_LEFT = "document.documentElement.dir = 'rtl'"


@dataclass(frozen=True)
class Look:
    """A way to look at a page: how wide, in which colours and language."""

    name: str
    width: int = 1440
    scheme: str = "light"
    language: str = "en"
    forced: bool = False
    mirrored: bool = False
    #: The size of letters that a person has chosen in the browser, in pixels.
    letters: int = 16
    options: dict[str, Any] = field(default_factory=dict)


LOOKS = (
    *(
        Look(f"{width}-{scheme}", width, scheme)
        for width in (1440, 1024, 390)
        for scheme in ("light", "dark")
    ),
    Look("1440-german", language="de"),
    Look("390-german", 390, language="de"),
    Look("1440-mirrored", mirrored=True),
    Look("390-mirrored", 390, mirrored=True),
    Look("1440-forced", forced=True),
    Look("1440-large-letters", letters=32),
)


def photograph(browser: Any, site: Site, keys: dict[str, str], look: Look, folder: Path) -> None:
    """Write a picture of each state in one look."""
    people = _People(browser, site)
    for state in _chosen(states.STATES):
        page = people.page(state.who, look)
        state.open(page, site, keys, language=look.language)
        if look.mirrored:
            # As Django's base template does for such a language.
            page.evaluate(_RIGHT_TO_LEFT)
            page.add_style_tag(url="/static/admin/css/rtl.css")
        _grow(page, look.width)
        page.screenshot(path=folder / f"{state.name}--{look.name}.png", animations="disabled")
        page.context.close()


def photograph_for_docs(browser: Any, site: Site, keys: dict[str, str], folder: Path) -> None:
    """Write the pictures of the documentation, which need a page as it is first seen."""
    people = _People(browser, site)
    for name, state in _docs():
        page = people.page(state.who, Look(name, DOCS_SIZE[0]))
        page.set_viewport_size({"width": DOCS_SIZE[0], "height": DOCS_SIZE[1]})
        state.open(page, site, keys)
        states.settled(page)
        page.wait_for_timeout(300)
        picture = Image.open(io.BytesIO(page.screenshot(animations="disabled", caret="hide")))
        height = picture.height * DOCS_WIDTH // picture.width
        small = picture.convert("RGB").resize((DOCS_WIDTH, height), Image.Resampling.LANCZOS)
        small.save(folder / f"{name}.webp", quality=_QUALITY, method=6)
        sys.stdout.write(f"{name}\n")
        page.context.close()


def _docs() -> Iterator[tuple[str, states.State]]:
    by_name = {state.name: state for state in states.STATES}
    for state in _chosen([by_name[name] for name in states.IN_DOCS]):
        yield states.IN_DOCS[state.name], state


class _People:
    """Contexts of people who are signed in, each signed in once."""

    def __init__(self, browser: Any, site: Site) -> None:
        self.browser, self.site = browser, site
        self.cookies: dict[str, Any] = {}

    def page(self, who: str, look: Look) -> Any:
        """Open a page of a person's, with a look."""
        if who not in self.cookies:
            context = self.browser.new_context()
            context.set_default_timeout(PATIENCE_MS)
            sign_in(context.new_page(), self.site, who)
            self.cookies[who] = context.storage_state()
            context.close()
        context = self.browser.new_context(
            viewport={"width": look.width, "height": 900},
            storage_state=self.cookies[who],
            color_scheme=look.scheme,
            forced_colors="active" if look.forced else "none",
            reduced_motion="reduce",
        )
        context.set_default_timeout(PATIENCE_MS)
        return context.new_page()


def _grow(page: Any, width: int) -> None:
    """Make the window as high as the page: what is sticky then stands at its end, and all images load."""
    states.settled(page)
    if not page.locator("dialog[open]").count():
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": width, "height": max(900, min(height, _MOST_HEIGHT))})
    page.wait_for_timeout(300)
    states.settled(page)


_only: set[str] = set()


def _chosen(found: Sequence[states.State]) -> list[states.State]:
    return [state for state in found if not _only or state.name in _only]


def main(arguments: list[str]) -> int:
    """Take the pictures that are asked for; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["docs", "all"])
    parser.add_argument("to", nargs="?", type=Path, help="folder to write to")
    parser.add_argument("--only", nargs="*", default=(), help="names of states")
    parser.add_argument("--url", help="a running demo instead of a new one")
    parser.add_argument("--folder", type=Path, help="the folder of the running demo")
    given = parser.parse_args(arguments)
    folder = given.to or (SCREENS if given.what == "docs" else ROOT / "var" / "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    _only.update(given.only)
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        sites = iter([Site(given.url, given.folder)]) if given.url else serve(Path(place))
        site = next(sites)

        def launched(letters: int = 16) -> Any:
            size = f"--blink-settings=defaultFontSize={letters}"
            return playwright.chromium.launch(
                executable_path=browser_path(), args=[*ARGUMENTS, size]
            )

        with closing(launched()) as browser:
            people = _People(browser, site)
            keys = states.prepare(site, lambda who: people.page(who, Look("preparing")))
            if given.what == "docs":
                photograph_for_docs(browser, site, keys, folder)
        for look in LOOKS if given.what == "all" else ():
            with closing(launched(look.letters)) as browser:
                photograph(browser, site, keys, look, folder)
        for _ in sites:
            pass
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
