"""Run the engine's worker, and sweep periodically in a thread of the same process."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import OperationalError, close_old_connections, connections

from imagegen_app.management.base import DatabaseCommand, require_migrations
from imagegen_app.services.audit import settings_record
from imagegen_app.services.foundation import wakeups, worker_registry
from imagegen_app.services.jobs.state_machine import WORKER_ACTOR
from imagegen_app.services.worker import driver

#: Seconds that a worker which starts waits for a database that is away, and between its tries.
START_PATIENCE_SECONDS = 60.0
_TRY_AGAIN_SECONDS = 1.0

logger = logging.getLogger("imagegen.worker")


class Command(DatabaseCommand):
    """Run the engine's worker, and sweep periodically; stop it with Ctrl-C or SIGTERM.

    After the first signal the worker claims no more jobs and finishes its present calls.
    """

    help = "Run the configured engine's worker, and sweep for due and abandoned jobs periodically."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--sweep-seconds", type=float, default=5.0, help="Seconds between sweeps (5)."
        )
        parser.add_argument(
            "--concurrency",
            type=int,
            help=(
                "Number of job loops in this process, if the engine runs them in threads "
                "(Celery: 2)."
            ),
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        engine = wakeups.engine()
        if not engine.has_worker:
            raise CommandError(
                f"The engine {engine.label!r} needs no worker; set IMAGEGEN['ENGINE'] to one that "
                "does."
            )
        if options["sweep_seconds"] <= 0:
            raise CommandError("--sweep-seconds must be more than 0.")
        drives = (
            engine.default_concurrency if options["concurrency"] is None else options["concurrency"]
        )
        if drives < 1:
            raise CommandError("--concurrency must be 1 or more.")
        if engine.default_concurrency == 1 < drives:
            raise CommandError(
                f"The engine {engine.label!r} runs one job loop per process; start more workers."
            )
        name = worker_registry.worker_name()
        stopping = threading.Event()
        sweeper = threading.Thread(
            target=_sweep, args=(stopping, options["sweep_seconds"], name), daemon=True
        )
        driver.draining.clear()
        _register(name)
        sweeper.start()
        if options["verbosity"] > 0:
            self.stdout.write(f"Worker {name} runs on {engine.label}. Stop it with Ctrl-C.")
        try:
            engine.run_worker(stopping=driver.draining.set, drives=drives)
        except RuntimeError as error:
            raise CommandError(str(error)) from error
        finally:
            driver.draining.set()
            stopping.set()
            sweeper.join(timeout=10)
            _unregister(name)


def _register(name: str) -> None:
    """Register the worker, also where the database is just being restarted.

    :raises CommandError: if the database stays away, or lacks tables of this version.
    """
    until = time.monotonic() + START_PATIENCE_SECONDS
    while True:
        try:
            require_migrations()
            return worker_registry.record_heartbeat(name=name)
        except OperationalError as error:
            reason = _first_line(error)
            if time.monotonic() >= until:
                message = f"The database has been away for {START_PATIENCE_SECONDS:.0f} seconds: "
                raise CommandError(message + reason) from error
        logger.warning("The database is away (%s); the worker waits for it.", reason)
        time.sleep(_TRY_AGAIN_SECONDS)


def _unregister(name: str) -> None:
    try:
        worker_registry.record_heartbeat(name=name, stopped=True)
    except OperationalError as error:
        # It is told as missing soon, and all its work is done.
        logger.warning("The worker's end could not be recorded: %s", _first_line(error))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _sweep(stopping: threading.Event, seconds: float, name: str) -> None:
    # The first sweep runs immediately: it finds the jobs of a killed worker.
    # Only here: it needs the setting TASKS, and the command's checks say what is wrong with it.
    from imagegen_app import tasks  # noqa: PLC0415

    is_recorded = False
    while True:
        try:
            worker_registry.record_heartbeat(name=name)
            if not is_recorded:
                settings_record.record_settings(WORKER_ACTOR)
                is_recorded = True
        except Exception as error:  # noqa: BLE001 - a database failure must not end the sweeps
            logger.warning("The worker could not be registered: %s", _first_line(error))
            close_old_connections()
        tasks.run_sweep()
        if stopping.wait(seconds):
            connections.close_all()
            return
