"""A site made by `startproject`, whose settings and URLs a test extends, and run as its owner would.

It runs with this environment and this checkout; `IMAGEGEN_SITE_PYTHON` names another interpreter, into
which the wheel was installed, and then nothing of the checkout is seen.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.architecture.bare_site import site_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
CRAWLER = Path(__file__).with_name("crawler.py")
#: A server begins and ends within so many seconds, also on a busy machine.
START_SECONDS = 120
#: Lines that every site here has beside the README's: its pages are asked for under this name.
TESTED = 'ALLOWED_HOSTS = ["testserver", "127.0.0.1"]\n'
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

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve the site as `runserver` does, and yield its address."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [*self._command("manage.py"), "runserver", "--noreload", f"127.0.0.1:{port}"]
        log = self.folder / "server.log"
        with log.open("w", encoding="utf-8") as file:
            server = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self._environment(),
                stdout=file,
                stderr=subprocess.STDOUT,
            )
            try:
                until = time.monotonic() + START_SECONDS
                while not _answers(port):
                    assert time.monotonic() < until, log.read_text(encoding="utf-8")
                    time.sleep(0.1)
                yield f"http://127.0.0.1:{port}"
            finally:
                server.terminate()
                server.wait(timeout=START_SECONDS)

    def _run(self, *command: str, fails: bool = False) -> str:
        ended = subprocess.run(
            self._command(*command),
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ended.returncode != 0) is fails, ended.stdout[-4000:] + ended.stderr[-4000:]
        return ended.stdout + (ended.stderr if fails else "")

    @staticmethod
    def _command(*command: str) -> list[str]:
        return [os.environ.get("IMAGEGEN_SITE_PYTHON", sys.executable), *command]

    def _environment(self) -> dict[str, str]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in {"DJANGO_SETTINGS_MODULE", "PYTHONPATH"}
        }
        if self._command()[0] == sys.executable:
            environment["PYTHONPATH"] = str(ROOT)
        return environment | {
            "DJANGO_SETTINGS_MODULE": "mysite.settings",
            "PYTHONWARNINGS": "default",
        }


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


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
