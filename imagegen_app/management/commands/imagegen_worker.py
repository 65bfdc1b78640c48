"""Run the engine's worker with a sweep beside it."""

from __future__ import annotations

import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from imagegen_app import tasks
from imagegen_app.services import driver, pulse, ringing


class Command(BaseCommand):
    """Run the engine's worker with a sweep beside it; stop it with Ctrl-C or SIGTERM.

    On the first signal nothing new is begun and what is under way is finished.
    """

    help = "Run the chosen engine's worker, and sweep for due and abandoned work beside it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--sweep-seconds", type=float, default=5.0, help="Seconds between sweeps (5)."
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        engine = ringing.engine()
        if not engine.has_worker:
            raise CommandError(
                f"The engine {engine.label!r} needs no worker; set IMAGEGEN['ENGINE'] to one that does."
            )
        if options["sweep_seconds"] <= 0:
            raise CommandError("--sweep-seconds must be more than 0.")
        name = pulse.worker_name()
        stopping = threading.Event()
        sweeper = threading.Thread(
            target=_sweep, args=(stopping, options["sweep_seconds"], name), daemon=True
        )
        driver.draining.clear()
        pulse.worker_seen(name=name)
        sweeper.start()
        if options["verbosity"] > 0:
            self.stdout.write(f"Worker {name} runs on {engine.label}. Stop it with Ctrl-C.")
        try:
            engine.run_worker(stopping=driver.draining.set)
        finally:
            driver.draining.set()
            stopping.set()
            sweeper.join(timeout=10)
            pulse.worker_seen(name=name, stopped=True)


def _sweep(stopping: threading.Event, seconds: float, name: str) -> None:
    # The first one at once: it finds what a killed worker left behind.
    while True:
        pulse.worker_seen(name=name)
        tasks.run_sweep()
        if stopping.wait(seconds):
            connections.close_all()
            return
