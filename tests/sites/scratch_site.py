"""A site made by `startproject`, whose settings and URLs a test extends, and run as its owner would.

It runs with this environment and this checkout; `IMAGEGEN_SITE_PYTHON` names another interpreter, into
which the wheel was installed, and then nothing of the checkout is seen.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.architecture.bare_site import site_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
CRAWLER = Path(__file__).with_name("crawler.py")
#: Lines that every site here has beside the README's: its pages are asked for under this name.
TESTED = 'ALLOWED_HOSTS = ["testserver"]\n'
URLS = """
from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
"""


@dataclass(frozen=True)
class ScratchSite:
    """A project in a folder of its own."""

    folder: Path

    def write(self, name: str, text: str) -> None:
        """Write one of the site's files."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def manage(self, *arguments: str, fails: bool = False) -> str:
        """Run a command of `manage.py`, and return what it printed."""
        return self._run("manage.py", *arguments, fails=fails)

    def crawl(self, *admins: str) -> dict[str, Any]:
        """Set the site up and follow the links of each admin; see `crawler.py` for the answers."""
        printed = self._run(str(CRAWLER), *admins)
        answers: dict[str, Any] = json.loads(printed.splitlines()[-1])
        return answers

    def python(self, code: str) -> str:
        """Run code with the site's settings, and return what it printed."""
        return self._run("manage.py", "shell", "--verbosity", "0", "-c", code)

    def _run(self, *command: str, fails: bool = False) -> str:
        python = os.environ.get("IMAGEGEN_SITE_PYTHON", sys.executable)
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in {"DJANGO_SETTINGS_MODULE", "PYTHONPATH"}
        }
        if python == sys.executable:
            environment["PYTHONPATH"] = str(ROOT)
        environment |= {"DJANGO_SETTINGS_MODULE": "mysite.settings", "PYTHONWARNINGS": "default"}
        ended = subprocess.run(
            [python, *command],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ended.returncode != 0) is fails, ended.stdout[-4000:] + ended.stderr[-4000:]
        return ended.stdout + (ended.stderr if fails else "")


def make_site(
    folder: Path, *, settings: str = "", urls: str = URLS, files: Mapping[str, str] | None = None
) -> ScratchSite:
    """Make a site with the README's lines, and what a test adds behind them."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "django", "startproject", "mysite", str(folder)]
    subprocess.run(command, check=True, env={"PATH": os.environ["PATH"]})
    site = ScratchSite(folder)
    in_settings, in_urls = site_lines(ROOT / "README.md")
    begun = (folder / "mysite" / "settings.py").read_text(encoding="utf-8")
    site.write("mysite/settings.py", begun + in_settings + TESTED + settings)
    site.write("mysite/urls.py", urls + in_urls)
    for name, text in (files or {}).items():
        site.write(name, text)
    return site
