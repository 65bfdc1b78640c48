"""Acquire calls from the shared rate limit as fast as it allows, and print the time of each.

Usage: python -m benchmarks.parts.taker SECONDS, in a site's environment.
"""

from __future__ import annotations

import json
import os
import sys
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.engines.site.settings")
django.setup()

from imagegen_app.models import Provider  # noqa: E402 - the apps come first
from imagegen_app.services.jobs import provider_limits  # noqa: E402 - the apps come first


def main(seconds: float) -> None:
    """Acquire for `seconds`."""
    provider = Provider.objects.get()
    taken = []
    print("ready", flush=True)
    sys.stdin.readline()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            provider_limits.acquire(provider)
        except provider_limits.CallDeferred as deferred:
            time.sleep(min(deferred.seconds, 0.1))
        else:
            taken.append(time.time())
    print(json.dumps(taken))


if __name__ == "__main__":
    main(float(sys.argv[1]))
