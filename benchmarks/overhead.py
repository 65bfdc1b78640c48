"""Make small images at a provider that answers at once: whole jobs a second, and our CPU for each."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

from benchmarks.concurrency import image_server
from benchmarks.parts import processes
from benchmarks.report import Report, Row, median
from tests.engines.engine_site import LANES, Site

JOBS = 300
#: Left out at the start, while modules load and connections open.
WARM = 50
GOAL_MS = 15.0


def run(*, rounds: int) -> Report:
    """Measure the worker process apart from its decoders, and signing apart from the rest."""
    runs = [_one() for _ in range(rounds)]
    rate, worker, decoders = (median([one[n] for one in runs]) for n in range(3))
    signing = _signing()
    rest = worker - signing
    return Report(
        name="overhead",
        rows=[
            Row(
                "ours",
                {
                    "jobs a second": rate,
                    "CPU ms a job": worker + decoders,
                    "of it decoding and encoding": decoders,
                    "of it signing": signing,
                    "of it ours": rest,
                },
            )
        ],
        goals={"cpu": f"at most {GOAL_MS:g} ms apart from decoding, encoding and signing"},
        met={"cpu": rest <= GOAL_MS},
    )


def _one() -> tuple[float, float, float]:
    with image_server(latency=0, side=256) as address, tempfile.TemporaryDirectory() as folder:
        server = SimpleNamespace(base_url=address, key="sk-benchmark")
        site = Site(LANES["postgresql"], Path(folder) / "site", server, adapter="openai")  # type: ignore[arg-type]
        with site:
            site.web.call("request", count=JOBS, size="1024x1024")
            worker = site.start()
            _until(site, WARM)
            began, before = time.monotonic(), _cpu(worker.pid)
            start = site.states().count("succeeded")
            _until(site, JOBS)
            spent, after = time.monotonic() - began, _cpu(worker.pid)
            made = JOBS - start
    used = [(b - a) / made * 1000 for a, b in zip(before, after, strict=True)]
    print(f"{made / spent:.1f} jobs a second, {used}", file=sys.stderr)
    return made / spent, used[0], used[1]


def _until(site: Site, count: int) -> None:
    while site.states().count("succeeded") < count:
        time.sleep(0.1)


def _cpu(pid: int) -> tuple[float, float]:
    alone = processes.cpu_seconds(pid, alone=True)
    return alone, processes.cpu_seconds(pid) - alone


def _signing() -> float:
    """Return the CPU milliseconds that signing a small file and its rendition takes."""
    import os  # noqa: PLC0415 - beside its use

    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.parts.settings"
    os.environ.setdefault("IMAGEGEN_DEMO_DIR", tempfile.mkdtemp())
    import django  # noqa: PLC0415 - after the environment is set

    django.setup()
    from benchmarks.parts import signing  # noqa: PLC0415 - Django is set up

    return signing.milliseconds()
