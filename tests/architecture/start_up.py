"""Set up a bare site, and print as JSON how long it took and which modules it loaded.

Called as `python start_up.py README.md FOLDER with|without`: with the app, installed by the README's own
lines, or the same site without it. The test and the benchmark of the start-up run it.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import django
from django.conf import settings

from tests.architecture.bare_site import configure, site_lines


def main(readme: Path, folder: Path, *, with_app: bool) -> None:
    """Time `django.setup()`, as every process of a site runs it."""
    settings_lines, _url_lines = site_lines(readme)
    configure(lines=settings_lines, folder=folder)
    if not with_app:
        settings.INSTALLED_APPS = [
            name for name in settings.INSTALLED_APPS if name.startswith("django.")
        ]
    began, began_cpu = time.perf_counter(), time.process_time()
    django.setup()
    figures = {
        "wall_ms": (time.perf_counter() - began) * 1000,
        "cpu_ms": (time.process_time() - began_cpu) * 1000,
        "modules": sorted(sys.modules),
    }
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), with_app=sys.argv[3] == "with")
