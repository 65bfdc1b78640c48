"""Claim batches of jobs and release them; print how long each took, in milliseconds.

Usage: python -m benchmarks.parts.claimer TIMES, in a site's environment.
"""

from __future__ import annotations

import json
import os
import sys
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.engines.site.settings")
django.setup()

from imagegen_app.services.jobs import leases  # noqa: E402 - the apps come first

BATCH = 32


def main(times: int) -> None:
    """Claim and release `times` times."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        jobs = leases.claim(limit=BATCH, owner="claimer")
        spent.append((time.perf_counter() - began) * 1000)
        if len(jobs) != BATCH:
            raise RuntimeError(f"{len(jobs)} jobs were claimed")
        leases.release(jobs)
    print(json.dumps(spent))


if __name__ == "__main__":
    main(int(sys.argv[1]))
