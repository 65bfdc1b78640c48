"""Do ten tasks of editors, reviewers and compliance staff in a browser: clicks, keys and seconds of each.

The seconds are those of the keystroke-level model (`benchmarks.parts.person`) and what the machine took.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

from benchmarks.parts.person import Person
from benchmarks.parts.usability_rows import FOUND, PLACED, WAITING
from benchmarks.report import Report, Row, median
from tests.browser.site import ARGUMENTS, PATIENCE_MS, ROOT, Site, serve, sign_in, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: An editor's own task takes less, thirty decisions less than that each, of hands and machine together.
SECONDS, SECONDS_EACH = 60.0, 4.0
_READY = ".is-current a.imagegen-button:has-text('Use this image')"
_GENERATE = ".imagegen-generate:has-text('USD')"


def run(*, rounds: int) -> Report:
    """Do all tasks on a demo of its own, so often; report medians."""
    found: list[dict[str, Person]] = []
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder, closing(keeper := serve(Path(folder))):
            site = next(keeper)
            found.append(done(site, add_rows(site.folder)))
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    rows = [Row(name, _figures([each[name] for each in found])) for name in found[0]]
    seconds = {row.system: float(row.figures["seconds"]) for row in rows}
    reviewed = seconds.pop("review 30")
    return Report(
        name="usability",
        rows=rows,
        goals={
            "task": f"each task but the thirty reviews within {SECONDS:g} s",
            "review": f"thirty images decided within {SECONDS_EACH:g} s each",
        },
        met={
            "task": max(seconds.values()) <= SECONDS,
            "review": reviewed <= SECONDS_EACH * WAITING,
        },
    )


def done(site: Site, keys: Mapping[str, str]) -> dict[str, Person]:
    """Do each task in a fresh window that shows the admin's front page; return who did it."""
    found = {}
    with (
        sync_playwright() as playwright,
        closing(
            playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        ) as browser,
    ):
        for name, (who, task) in TASKS.items():
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            context.set_default_timeout(PATIENCE_MS)
            page = context.new_page()
            sign_in(page, site, who)
            person = found[name] = Person(page)
            task(person, keys)
            print(f"{name}: {person.seconds:.0f} s", file=sys.stderr)
            context.close()
    return found


def add_rows(folder: Path) -> dict[str, str]:
    """Add to a demo what the tasks are about; return the keys."""
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.parts.usability_rows"],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "project.settings.demo",
            "IMAGEGEN_DEMO_DIR": str(folder),
        },
        stdout=subprocess.PIPE,
        check=True,
    )
    keys: dict[str, str] = json.loads(answer.stdout)
    return keys


def _figures(people: list[Person]) -> dict[str, float | int | str]:
    return {
        "clicks": people[0].clicks,
        "keys": people[0].keys,
        "seconds": round(median([p.seconds for p in people]), 1),
        "of the machine": round(median([p.machine for p in people]), 1),
    }


def _first_image(person: Person, _keys: Mapping[str, str]) -> None:
    person.click("text=Open the studio", seen="[name=template]")
    person.choose("[name=template]", "product-still-life", seen="[name=v_product]")
    person.type("[name=v_product]", "stoneware mug")
    person.click(_GENERATE, seen=_READY)


def _vary_and_place(person: Person, _keys: Mapping[str, str]) -> None:
    page = person.page
    person.click("#content a:text-is('Products')", seen="#result_list")
    person.click("#result_list a:has-text('Halm bud vase')", seen=".imagegen-quick summary")
    person.click(".imagegen-quick summary", seen=".imagegen-quick a:has-text('Vary')")
    studio = page.frame_locator("dialog iframe")
    person.click(".imagegen-quick a:has-text('Vary')", seen=studio.locator(_GENERATE), at_once=True)
    use = studio.locator(_READY).first
    person.click(studio.locator(_GENERATE), seen=use)
    person.click(use, seen=studio.locator("#imagegen-alt"))
    person.type(studio.locator("#imagegen-alt"), "A bud vase")
    person.click(studio.locator("button:has-text('Use this image')"), seen="[data-picked] img")
    person.click("input[name=_save]", seen=".messagelist")


def _to_image(person: Person, title: str) -> None:
    """Open an image of the library by a word of its title."""
    person.click("#content a:text-is('Library')", seen="[name=q]")
    person.type("[name=q]", title.split(maxsplit=1)[0])
    person.press("Enter", seen=f"[data-tile]:has-text('{title}')")
    person.click(f"[data-tile]:has-text('{title}') a", seen=".imagegen-record")


def _inpaint(person: Person, _keys: Mapping[str, str]) -> None:
    page = person.page
    _to_image(person, FOUND)
    person.click("text=Change this image", seen="[data-operation=inpaint]")
    person.click("[data-operation=inpaint]", seen="imagegen-mask.is-live [data-act=open]")
    person.click("[data-act=open]", seen="dialog [data-stage] canvas")
    person.drag(page.locator("dialog [data-stage] img").bounding_box())
    person.click("[data-act=done]", seen="[name=prompt]")
    person.type("[name=prompt]", "a red sun")
    person.click(_GENERATE, seen=_READY)


def _cut_out(person: Person, _keys: Mapping[str, str]) -> None:
    _to_image(person, FOUND)
    person.click("text=Change this image", seen="[data-operation=remove_background]")
    person.click("[data-operation=remove_background]", seen=_GENERATE)
    person.click(_GENERATE, seen=_READY)


def _find(person: Person, _keys: Mapping[str, str]) -> None:
    _to_image(person, FOUND)


def _mend_words(person: Person, keys: Mapping[str, str]) -> None:
    person.click("#content a:text-is('Alternative texts')", seen="textarea")
    person.type(f"[name='text-{keys['wordless']}']", "Linen on a wooden chair")
    person.click("button:has-text('Save all')", seen=".messagelist")


def _review(person: Person, _keys: Mapping[str, str]) -> None:
    page = person.page
    person.click("#content a:text-is('Review desk')", seen="text=Review one by one")
    person.click("text=Review one by one", seen="[data-heading]")
    for _ in range(WAITING):
        before = page.locator("[data-heading]").inner_text()
        person.press("a", seen=functools.partial(_wait_for_other, page, before))


def _wait_for_other(page: Any, heading: str) -> None:
    wait_until(
        page,
        f"document.querySelector('[data-heading]').textContent.trim() !== {json.dumps(heading)}",
    )


def _reject(person: Person, _keys: Mapping[str, str]) -> None:
    page = person.page
    person.click("#content a:text-is('Review desk')", seen="text=Review one by one")
    person.click("text=Review one by one", seen="[name=reason]")
    person.press("x", seen=lambda: wait_until(page, "document.activeElement.name === 'reason'"))
    person.press("ArrowDown")
    before = page.locator("[data-heading]").inner_text()
    person.press("Enter", seen=lambda: _wait_for_other(page, before))


def _explain(person: Person, keys: Mapping[str, str]) -> None:
    person.click("#content a:text-is('Library')", seen="[name=q]")
    person.paste("[name=q]", keys["placed"])
    person.press("Enter", seen="[data-tile]")
    person.click("[data-tile] a", seen=".imagegen-record")
    person.download("button:has-text('Evidence pack')")


def _take_down(person: Person, _keys: Mapping[str, str]) -> None:
    _to_image(person, PLACED)
    person.click("button:has-text('Withdraw…')", seen="[name=note]")
    person.type("[name=note]", "rights claim")
    person.click("#content button.imagegen-primary", seen=".messagelist")


#: Who does it, and how.
TASKS: dict[str, tuple[str, Callable[[Person, Mapping[str, str]], None]]] = {
    "first image": ("editor", _first_image),
    "vary and place": ("editor", _vary_and_place),
    "inpaint": ("editor", _inpaint),
    "cut-out": ("editor", _cut_out),
    "find last month's image": ("editor", _find),
    "mend an alternative text": ("editor", _mend_words),
    "reject one with a reason": ("reviewer", _reject),
    "review 30": ("reviewer", _review),
    "explain one image to an auditor": ("compliance", _explain),
    "take one down everywhere": ("compliance", _take_down),
}
