"""Let a site's certificate expire while it works, and renew it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from imagegen_app.imaging.certificates import make_development_chain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.engines.engine_site import Site
    from tests.faults.outages import _Run


def expires(running: _Run, until: Callable[..., None]) -> None:
    """Let the certificate expire while calls are under way, and renew it a while later."""
    folder = running.site.folder
    write(folder, days=30)
    running.start()
    running.request()
    until(lambda: running.ended() > 0, seconds=30)
    write(folder, days=-0.01)
    waiting = "select count(*) from imagegen_job where waiting_for = 'certificate'"
    until(lambda: running.site.query(waiting)[0][0] >= running.outage.jobs // 2, seconds=30)
    running.disturbed = running.site.query(waiting)[0][0]
    time.sleep(6)
    running.violations += told_too_often(running.site)
    write(folder, days=30)


def write(folder: Path, *, days: float) -> None:
    """Put a certificate and its key in place that expires in so many days."""
    chain, key = make_development_chain("Faults", days=days)
    for name, text in (("chain.pem", chain), ("key.pem", key)):
        partial = folder / f"{name}.partial"
        partial.write_text(text, "ascii")
        partial.chmod(0o600)
        partial.replace(folder / name)


def told_too_often(site: Site) -> list[str]:
    """Return which events of waiting stand in the log more than once for the same job."""
    rows = site.query(
        "select type, job_id, count(*) from imagegen_auditevent"
        " where type in ('job.postponed', 'certificate.refused') group by type, job_id"
    )
    return [f"{kind} {count} times" for kind, _job, count in rows if count > 1]
