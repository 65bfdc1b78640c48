"""Let a provider slow a site down, or be down for a while."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.outages import _Run

STORM_SECONDS = float(os.environ.get("IMAGEGEN_STORM_SECONDS", "15"))
BURST = 3


def storm(running: _Run) -> None:
    """Refuse every call as too fast, and name a wait; nobody may call again sooner."""
    running.simulator.fail("status", status=429, times=None, on="jobs", retry_after=1)
    began = time.monotonic()
    running.start()
    running.start()
    running.request()
    time.sleep(STORM_SECONDS)
    passed = time.monotonic() - began
    running.simulator.script(clear=True)
    running.disturbed = running.simulator.calls()["POST /v1/jobs"]
    # The first burst cannot know; then one call a second finds out whether it is still refused.
    running.allowed = running.outage.jobs + BURST + int(passed * 1.05) + 1


def is_down(running: _Run) -> None:
    """Refuse every call for forty seconds; few are wasted, and then the work continues by itself."""
    running.simulator.fail("status", status=503, times=None, on="jobs")
    running.start()
    running.start()
    running.request()
    time.sleep(40)
    running.disturbed = running.simulator.calls()["POST /v1/jobs"]
    running.simulator.script(clear=True)
    # Wasted: what was on its way when nobody could know yet, and one probe in each pause.
    running.allowed = running.outage.jobs + 20
