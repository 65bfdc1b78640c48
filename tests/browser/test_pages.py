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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_keeps_the_policy(
    demo: Site, visit: Callable[..., Any], published: str, scheme: str
) -> None:
    page = visit("admin", width=1280, color_scheme=scheme)
    found = {}
    for name, address in _addresses(demo, published).items():
        response = page.goto(address)
        # Before axe-core, which writes a style of its own.
        faults = list(page.complaints)
        faults += barriers(page, of=OURS)
        if response.status != 200:
            faults.append(f"status {response.status}")
        if "script-src 'self'" not in response.headers.get("content-security-policy", ""):
            faults.append("no policy")
        page.complaints.clear()
        if faults:
            found[name] = faults

    assert found == {}, "\n".join(f"{n}: {f}" for n, fs in found.items() for f in fs)


@pytest.mark.parametrize("width", [390, 768, 1440])
@pytest.mark.parametrize("language", ["en", "de"])
def test_no_page_scrolls_sideways(
    demo: Site, visit: Callable[..., Any], published: str, width: int, language: str
) -> None:
    page = visit("admin", width=width)
    wide = {}
    for name, address in _addresses(demo, published).items():
        page.goto(address.replace("/en/", f"/{language}/"))
        reached = page.evaluate("document.documentElement.scrollWidth")
        if reached > width:
            wide[name] = reached

    assert wide == {}


def test_the_pages_are_photographed(demo: Site, visit: Callable[..., Any], published: str) -> None:
    page = visit("admin", width=1440)
    addresses = _addresses(demo, published)
    for name in ("dashboard", "studio", "studio-choose", "image-attach", "list-asset", "list-job"):
        page.goto(addresses[name])
        shoot(page, name)

    assert page.locator("#result_list").is_visible()


def test_our_script_and_style_are_light() -> None:
    sizes = {
        path.name: path.stat().st_size
        for path in (STATIC / "imagegen_app").rglob("*")
        if path.suffix in {".js", ".css"}
    }

    assert 0 < sum(sizes.values()) <= MOST_BYTES
