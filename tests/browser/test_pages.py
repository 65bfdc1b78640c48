"""Every page of ours: nothing for axe-core to find, no policy broken, no sideways scrolling."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.admin import tables
from tests.browser.site import barriers, shoot

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.site import Site

pytestmark = pytest.mark.browser
PAGES = {
    "dashboard": "",
    "studio": "imagegen/job/studio/?template=product-still-life",
    "studio-choose": "imagegen/job/studio/choose/{asset}/",
    "desk": "imagegen/job/desk/?view=provenance",
    "desk-case": "imagegen/job/desk/{asset}/?view=provenance",
    "alternative-texts": "imagegen/job/assets/alt-texts/?show=all",
    "image-attach": "imagegen/job/assets/{asset}/attach/",
    "image": "imagegen/asset/{asset}/change/",
    "job": "imagegen/job/{job}/change/",
    "studio-job": "imagegen/job/studio/{job}/",
    "overview": "imagegen/job/overview/",
    "log": "imagegen/job/log/",
    "erasure": "imagegen/job/erasure/",
    "health": "imagegen/job/health/",
    "tables": "imagegen/job/tables/",
    "tour": "imagegen/job/tour/?step=2",
    "mail-preference": "imagegen/job/preferences/mail/",
    "credentials": "imagegen/provider/credentials/",
    "screeners": "imagegen/verdict/try/",
    "setup": "imagegen/job/setup/",
    "template": "imagegen/prompttemplate/1/change/",
    "template-new": "imagegen/prompttemplate/add/",
    **{f"list-{name}": f"imagegen/{name}/" for name in tables.names()},
}
#: Of these an image is taken, where images are asked for.
PHOTOGRAPHED = {
    "dashboard",
    "studio",
    "studio-choose",
    "desk",
    "desk-case",
    "alternative-texts",
    "image-attach",
    "list-asset",
    "list-job",
}
#: Of a phone, a tablet and a desktop; a page is loaded at the smallest.
WIDTHS = (390, 768, 1440)
#: Our part of a page: the faults of the others are Django's. The bar of doors stands above it.
OURS = "#content"
BAR = ".imagegen-doors"
#: How many pixels of a part can be reached only by scrolling it sideways.
_HIDDEN = "(s) => Math.max(...[...document.querySelectorAll(s)].map((e) => e.scrollWidth - e.clientWidth))"


def _addresses(demo: Site, published: str) -> dict[str, str]:
    (job,) = demo.ask("select job_id from imagegen_asset where id = ?", published.replace("-", ""))[
        0
    ]
    job = str(uuid.UUID(job))
    return {
        name: f"{demo.url}/en/admin/{path.format(asset=published, job=job)}"
        for name, path in PAGES.items()
    }


def _too_wide(page: Any) -> dict[int, int]:
    """Return how wide the open page is at each width that it does not keep to."""
    wide = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        reached = page.evaluate("document.documentElement.scrollWidth")
        if reached > width:
            wide[width] = reached
    return wide


def _problems(page: Any, response: Any) -> list[str]:
    """Return what is wrong with the open page at the width of a desktop."""
    page.set_viewport_size({"width": 1280, "height": 900})
    # Before axe-core, which writes a style of its own.
    problems = list(page.complaints)
    problems += barriers(page, of=OURS)
    has_bar = page.locator(BAR).count() > 0
    if has_bar:
        problems += barriers(page, of=BAR)
    page.emulate_media(color_scheme="dark")
    # A colour on its way to another has neither's contrast.
    page.evaluate("document.getAnimations().forEach((a) => a.finish())")
    problems += [f"dark: {one}" for one in barriers(page, of=OURS, rule="color-contrast")]
    if has_bar:
        problems += [f"dark bar: {one}" for one in barriers(page, of=BAR, rule="color-contrast")]
    page.emulate_media(color_scheme="light")
    if response.status != 200:
        problems.append(f"status {response.status}")
    if "script-src 'self'" not in response.headers.get("content-security-policy", ""):
        problems.append("no policy")
    return problems


@pytest.mark.slow
def test_every_page_is_accessible_keeps_the_policy_and_never_scrolls_sideways(
    demo: Site, visit: Callable[..., Any], published: str
) -> None:
    """One load of each page for all of it: the server's work is most of what a page costs."""
    page = visit("admin", width=min(WIDTHS))
    found = {}
    for name, address in _addresses(demo, published).items():
        response = page.goto(address)
        wide = [f"{reached} pixels at {width}" for width, reached in _too_wide(page).items()]
        if problems := wide + _problems(page, response):
            found[name] = problems
        if name in PHOTOGRAPHED:
            shoot(page, name)
        page.complaints.clear()
        page.set_viewport_size({"width": min(WIDTHS), "height": 900})

    assert found == {}, "\n".join(f"{n}: {f}" for n, fs in found.items() for f in fs)


def test_no_page_scrolls_sideways_in_the_language_of_the_longest_words(
    demo: Site, visit: Callable[..., Any], published: str
) -> None:
    page = visit("admin", width=min(WIDTHS))
    wide: dict[tuple[str, int], int] = {}
    for name, address in _addresses(demo, published).items():
        page.goto(address.replace("/en/", "/de/"))
        wide |= {(name, width): reached for width, reached in _too_wide(page).items()}
        page.set_viewport_size({"width": min(WIDTHS), "height": 900})

    assert wide == {}


@pytest.mark.parametrize("language", ["en", "de"])
def test_on_a_phone_nothing_of_a_row_is_beside_the_screen(
    demo: Site, visit: Callable[..., Any], published: str, language: str
) -> None:
    page = visit("admin", width=min(WIDTHS))
    admin = f"{demo.url}/{language}/admin"
    hidden = {}
    page.goto(f"{admin}/imagegen/job/log/")
    hidden["log"] = page.evaluate(_HIDDEN, ".imagegen-scroll")
    page.goto(f"{admin}/catalog/product/?image__isempty=1")
    page.locator("input.action-select").first.check()
    page.select_option("select[name=action]", "generate_images")
    page.click("button[name=index]")
    page.locator("#imagegen-preview").wait_for()
    hidden["batch"] = page.evaluate(_HIDDEN, ".imagegen-scroll")
    roles = page.locator("#imagegen-preview ~ .imagegen-scroll [role=rowheader]").count()
    # The longest of all states.
    (job,) = demo.ask("select id from imagegen_job limit 1")[0]
    (state,) = demo.ask("select state from imagegen_job where id = ?", job)[0]
    demo.change("update imagegen_job set state = 'blocked' where id = ?", job)
    page.goto(f"{admin}/imagegen/job/?state__exact=blocked")
    chip = page.locator("#result_list .imagegen-chip").first.bounding_box()
    demo.change("update imagegen_job set state = ? where id = ?", state, job)

    assert hidden == {"log": 0, "batch": 0}
    assert roles >= 1
    assert chip["x"] + chip["width"] <= min(WIDTHS)


def test_the_size_of_the_source_appears_with_the_first_source(
    demo: Site, visit: Callable[..., Any]
) -> None:
    page = visit("editor", width=min(WIDTHS))
    page.goto(f"{demo.url}/en/admin/imagegen/job/studio/")
    choice = page.locator("[data-needs-source]")
    page.locator("imagegen-recipe.is-live").wait_for()
    before = choice.is_visible()

    page.locator("[data-section=images] > summary").click()
    file = {"name": "cup.png", "mimeType": "image/png", "buffer": b"png"}
    page.set_input_files("[name=starts]", files=[file])
    choice.wait_for(state="visible")
    page.set_input_files("[name=starts]", files=[])
    choice.wait_for(state="hidden")

    assert not before
    assert page.complaints == []
