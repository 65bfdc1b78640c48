"""Every page of ours: nothing for axe-core to find, no policy broken, no sideways scrolling."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import imagegen_app
from tests.admin import tables
from tests.browser.site import barriers, shoot

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.site import Site

pytestmark = pytest.mark.browser
STATIC = Path(imagegen_app.__file__).parent / "static"
#: Bytes of our own script and style, all files together, uncompressed.
MOST_BYTES = 200_000
PAGES = {
    "dashboard": "",
    "studio": "imagegen/job/studio/?template=product-still-life",
    "studio-choose": "imagegen/job/studio/choose/{asset}/",
    "image-attach": "imagegen/job/assets/{asset}/attach/",
    "image": "imagegen/asset/{asset}/change/",
    "job": "imagegen/job/{job}/change/",
    "studio-job": "imagegen/job/studio/{job}/",
    "log": "imagegen/job/log/",
    "template": "imagegen/prompttemplate/1/change/",
    "template-new": "imagegen/prompttemplate/add/",
    **{f"list-{name}": f"imagegen/{name}/" for name in tables.names()},
}
#: Of these an image is taken, where images are asked for.
PHOTOGRAPHED = {"dashboard", "studio", "studio-choose", "image-attach", "list-asset", "list-job"}
#: Of a phone, a tablet and a desktop; a page is loaded at the smallest.
WIDTHS = (390, 768, 1440)
#: Django's own parts of a page, whose faults are Django's.
OURS = "#content"


def _addresses(demo: Site, published: str) -> dict[str, str]:
    (job,) = demo.ask("select job_id from imagegen_asset where id = ?", published.replace("-", ""))[
        0
    ]
    job = str(uuid.UUID(job))
    return {
        name: f"{demo.url}/en/admin/{path.format(asset=published, job=job)}"
        for name, path in PAGES.items()
    }


def test_every_page_is_accessible_and_keeps_the_policy(
    demo: Site, visit: Callable[..., Any], published: str
) -> None:
    page = visit("admin", width=1280)
    found = {}
    for name, address in _addresses(demo, published).items():
        response = page.goto(address)
        # Before axe-core, which writes a style of its own.
        problems = list(page.complaints)
        problems += barriers(page, of=OURS)
        page.emulate_media(color_scheme="dark")
        # A colour on its way to another has neither's contrast.
        page.evaluate("document.getAnimations().forEach((a) => a.finish())")
        problems += [f"dark: {one}" for one in barriers(page, of=OURS, rule="color-contrast")]
        page.emulate_media(color_scheme="light")
        if response.status != 200:
            problems.append(f"status {response.status}")
        if "script-src 'self'" not in response.headers.get("content-security-policy", ""):
            problems.append("no policy")
        if name in PHOTOGRAPHED:
            shoot(page, name)
        page.complaints.clear()
        if problems:
            found[name] = problems

    assert found == {}, "\n".join(f"{n}: {f}" for n, fs in found.items() for f in fs)


@pytest.mark.parametrize("language", ["en", "de"])
def test_no_page_scrolls_sideways(
    demo: Site, visit: Callable[..., Any], published: str, language: str
) -> None:
    page = visit("admin", width=min(WIDTHS))
    wide = {}
    for name, address in _addresses(demo, published).items():
        page.goto(address.replace("/en/", f"/{language}/"))
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            reached = page.evaluate("document.documentElement.scrollWidth")
            if reached > width:
                wide[name, width] = reached
        page.set_viewport_size({"width": min(WIDTHS), "height": 900})

    assert wide == {}


def test_our_script_and_style_are_light() -> None:
    sizes = {
        path.name: path.stat().st_size
        for path in (STATIC / "imagegen_app").rglob("*")
        if path.suffix in {".js", ".css"}
    }

    assert 0 < sum(sizes.values()) <= MOST_BYTES
