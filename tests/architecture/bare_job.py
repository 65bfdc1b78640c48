"""Run the main job on a bare site: one image, requested in this process and made by a worker's.

Called as `python bare_job.py README.md FOLDER`, with the Python of an environment in which the wheel is
installed. It prints one line of JSON. With a third argument it is the worker.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command

#: Seconds that the worker has to start and to make the image.
PATIENCE_SECONDS = 120


def set_up(readme: Path, folder: Path) -> None:
    """Make the site of the README's lines; its module lies beside this one."""
    bare_site: Any = import_module("bare_site")
    settings_lines, url_lines = bare_site.site_lines(readme)
    bare_site.configure(lines=settings_lines, folder=folder)
    # As the documentation says for SQLite: the worker writes beside this process.
    settings.DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    django.setup()
    bare_site.hang_in_urls(lines=url_lines)


def request_image() -> Any:
    """Let somebody who may do so request an image of the sandbox, and return the job."""
    factories: Any = import_module("imagegen_app.testing.factories")
    group = factories.make_group("Image editors")
    model = factories.make_image_model()
    factories.make_grant(group=group, image_model=model)
    user = factories.make_user("editor", groups=["Image editors"])
    request: Any = import_module("imagegen_app.shortcuts").generate
    return request(user=user, prompt="A quiet picture of a mug.", model=model.slug)


def main(readme: Path, folder: Path) -> int:
    """Request an image, start a worker, wait for the image, and say what was used."""
    set_up(readme, folder)
    call_command("check", fail_level="ERROR")
    call_command("migrate", verbosity=0)
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)
    job = request_image()
    command = [sys.executable, __file__, str(readme), str(folder), "worker"]
    worker = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while job.finished_at is None and worker.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
            job.refresh_from_db()
    finally:
        worker.terminate()
        worker.wait(timeout=60)
    task: Any = import_module("imagegen_app.tasks").drive
    assets: Any = import_module("imagegen_app.models").Asset.objects
    answer = {
        "python": platform.python_version(),
        "django": django.get_version(),
        "tasks": type(task).__module__.removesuffix(".base"),
        "state": str(job.state),
        "images": assets.results_of(job).count(),
    }
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0 if answer["state"] == "succeeded" and answer["images"] else 1


if __name__ == "__main__":
    places = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    if len(sys.argv) > 3:
        set_up(*places)
        call_command("imagegen_worker", verbosity=0)
    else:
        raise SystemExit(main(*places))
