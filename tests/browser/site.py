"""The demo as its users start it: a real server and a real worker, on a port of their own."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).resolve().parents[2]
#: Where screenshots go, such as docs/_static/screens; none are taken where this is empty.
SCREENS = os.environ.get("IMAGEGEN_SCREENSHOTS", "")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
#: For how long a page is waited for: what answers at all may do so late on a busy machine.
PATIENCE_MS = 240_000
WIDTHS = {"wide": 1440, "narrow": 390}


@dataclass(frozen=True)
class Site:
    """A running demo."""

    url: str
    folder: Path

    def ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Read the demo's database as it is on disk."""
        connection = sqlite3.connect(f"file:{self.folder}/demo.sqlite3?mode=ro", uri=True)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    def change(self, sql: str, *values: object) -> None:
        """Change the demo's database behind its back, as another person's request would."""
        connection = sqlite3.connect(f"{self.folder}/demo.sqlite3", timeout=120)
        with connection:
            connection.execute(sql, values)
        connection.close()


def serve(folder: Path) -> Generator[Site]:
    """Run the demo, and yield it once it answers."""
    port = _free_port()
    environment = {
        k: v
        for k, v in os.environ.items()
        if k not in {"DJANGO_SETTINGS_MODULE", "OPENAI_API_KEY", "DJANGO_ALLOW_ASYNC_UNSAFE"}
    }
    log = folder / "demo.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "demo", "--port", str(port)],
            cwd=ROOT,
            env={**environment, "IMAGEGEN_DEMO_DIR": str(folder), "PYTHONUNBUFFERED": "1"},
            stdout=out,
            stderr=out,
        )
    try:
        _wait(process, port, log)
        yield Site(f"http://127.0.0.1:{port}", folder)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=240)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    ends = time.monotonic() + 600
    while time.monotonic() < ends:
        if process.poll() is not None:
            break
        if re.search(rb"Quit the server", log.read_bytes()):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
        time.sleep(0.2)
    raise AssertionError(f"the demo did not start: {log.read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def sign_in(page: Any, site: Site, name: str) -> None:
    """Sign in by the form, as a person does."""
    page.goto(f"{site.url}/en/admin/login/?next=/en/admin/")
    page.fill("#id_username", name)
    page.fill("#id_password", f"{name}-demo")
    page.click("input[type=submit]")
    page.wait_for_url("**/admin/")


def wait_until(page: Any, expression: str, *, seconds: float = PATIENCE_MS / 1000) -> None:
    """Wait until an expression is true. Playwright's own waiting evaluates text, which our policy forbids."""
    until = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < until, expression
        page.wait_for_timeout(50)


def wait_for_options(page: Any) -> None:
    """Wait until the studio has drawn the options and the price it asked for last."""
    wait_until(page, "!document.querySelector('imagegen-recipe [aria-busy=true]')")


def choose_newest(page: Any) -> None:
    """Choose the newest image of the library for a field of the page."""
    page.click("[data-imagegen-open]:has-text('Choose')")
    frame = page.frame_locator("dialog iframe")
    frame.locator("[data-tile] a").first.click()
    frame.locator("button:has-text('Use this image')").click()


def shoot(page: Any, name: str) -> None:
    """Take a page's image, light and dark, wide and narrow, if asked for; leave the page as it was."""
    if not SCREENS:
        return
    Path(SCREENS).mkdir(parents=True, exist_ok=True)
    before = page.viewport_size
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for word, width in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": 900})
            # Another width may fetch another file.
            wait_until(
                page, "[...document.images].every((i) => i.complete || i.loading === 'lazy')"
            )
            page.wait_for_timeout(150)
            page.screenshot(
                path=Path(SCREENS) / f"{name}-{scheme}-{word}.png", animations="disabled"
            )
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(before)


def barriers(page: Any, *, of: str = "", rule: str = "") -> list[str]:
    """Return what axe-core finds on the page, or in the part that a selector names; by one rule or all."""
    # The search box of a list is Django's own: its label is an image.
    context = {"include": [[of or "html"]], "exclude": [["#changelist-search"]]}
    options = {"resultTypes": ["violations"], **({"runOnly": [rule]} if rule else {})}
    told = list(getattr(page, "complaints", []))
    found = Axe().run(page, context=context, options=options)
    if hasattr(page, "complaints"):
        # The site's policy refuses styles that axe itself would set.
        new = page.complaints[len(told) :]
        page.complaints[:] = [*told, *(one for one in new if "inline style" not in one)]
    return [
        f"{v['id']}: {node['html'][:160]} ({node.get('failureSummary', '')[:200]})"
        for v in found.response["violations"]
        for node in v["nodes"]
    ]
