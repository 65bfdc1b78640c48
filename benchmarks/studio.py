"""Time the studio in a real browser on the demo: first paint, and from click to tile."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks.report import Report, Row, median
from tests.browser.site import ARGUMENTS, serve, sign_in, wait_until

PAINT_SECONDS = 1.0
TILE_SECONDS = 2.0


def run(*, rounds: int) -> Report:
    """Open the studio in fresh browsers, generate one sandbox image each, and take the medians."""
    paints, tiles = [], []
    with tempfile.TemporaryDirectory() as folder:
        site = next(keeper := serve(Path(folder)))
        with sync_playwright() as playwright:
            for number in range(rounds):
                browser = playwright.chromium.launch(
                    executable_path="/usr/bin/chromium", args=ARGUMENTS
                )
                page = browser.new_page()
                sign_in(page, site, "editor")
                page.goto(f"{site.url}/en/admin/imagegen/job/studio/?template=product-still-life")
                paints.append(
                    page.evaluate(
                        "performance.getEntriesByName('first-contentful-paint')[0].startTime"
                    )
                    / 1000
                )
                page.fill("[name=v_product]", f"mug {number}")
                page.check("[name=count][value='1']")
                page.locator(".imagegen-generate:has-text('Generate 1')").wait_for()
                began = time.perf_counter()
                page.click("[name=generate]")
                page.locator(".is-current .imagegen-turn-tiles img").wait_for()
                wait_until(
                    page, "document.querySelector('.is-current .imagegen-turn-tiles img').complete"
                )
                tiles.append(time.perf_counter() - began)
                print(f"round {number + 1} of {rounds}", file=sys.stderr)
                browser.close()
        keeper.close()
    paint, tile = median(paints), median(tiles)
    return Report(
        name="studio",
        rows=[Row("imagegen_app", {"first paint s": paint, "click to tile s": tile})],
        goals={
            "first paint": f"at most {PAINT_SECONDS:g} s",
            "click to tile": f"under {TILE_SECONDS:g} s",
        },
        met={"first paint": paint <= PAINT_SECONDS, "click to tile": tile < TILE_SECONDS},
    )
