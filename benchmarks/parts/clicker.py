"""Request images one after another, and print for each the milliseconds from its commit to its claim."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from typing import Any

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.engines.site.settings"
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 - the apps come first
from django.db import transaction  # noqa: E402

from imagegen_app import generate  # noqa: E402
from imagegen_app.models import Job  # noqa: E402

PATIENCE_SECONDS = 30
#: From the end of a job to the next click, so long that the worker is idle.
PAUSE_SECONDS = (1.0, 2.2)


def main(clicks: int) -> list[float]:
    """Return the milliseconds of each click."""
    editor = get_user_model().objects.get(username="editor")
    found = []
    for number in range(clicks + 1):
        found.append(_click(editor, number))
        while Job.objects.unfinished().exists():
            time.sleep(0.05)
        time.sleep(random.uniform(*PAUSE_SECONDS))  # noqa: S311 - not a secret
    # With the first click modules load and connections open.
    return found[1:]


def _click(editor: Any, number: int) -> float:
    committed: list[float] = []
    with transaction.atomic():
        # Before the wake-up, which is sent after the commit too.
        transaction.on_commit(lambda: committed.append(time.monotonic()))
        job = generate(
            user=editor,
            template="plain",
            variables={"product": f"cup {time.time_ns()} {number}"},
            model="generic-1",
            size="256x256",
        )
    waiting = Job.objects.filter(pk=job.pk, state="queued", lease_owner="")
    while waiting.exists():
        if time.monotonic() - committed[0] > PATIENCE_SECONDS:
            raise RuntimeError("no worker claimed the job")
        time.sleep(0.005)
    return (time.monotonic() - committed[0]) * 1000


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
