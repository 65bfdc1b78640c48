"""Enqueue through Django's tasks (django-tasks); its database backend is the embedded default."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django.apps import apps
from django.db import InterfaceError, OperationalError, connections, router
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.module_loading import import_string

from imagegen_app import conf
from imagegen_app.engines.base import SettingsIssue

if TYPE_CHECKING:
    from collections.abc import Callable

#: Dotted paths of the task objects, by the name of the wake-up.
_TASKS = {
    "drive": "imagegen_app.tasks.drive",
    "sweep": "imagegen_app.tasks.sweep",
}

_INTERVAL_SECONDS = 0.2
#: Seconds to wait before an unavailable database is tried again.
_AWAY_SECONDS = 2.0

logger = logging.getLogger("imagegen.worker")


class WorkerElsewhere(RuntimeError):
    """The configured task backend brings a worker of its own."""


class DjangoTasksEngine:
    """Enqueue one argument-free task a wake-up, unless one already waits."""

    label: ClassVar[str] = "django_tasks"
    can_delay: ClassVar[bool] = True
    has_worker: ClassVar[bool] = True
    default_concurrency: ClassVar[int] = 1

    def enqueue(self, name: str, *, delay: float = 0) -> None:
        """Enqueue the wake-up's task on the site's queue."""
        task: Any = import_string(_TASKS[name])
        if not delay and self._is_waiting(task):
            return
        options: dict[str, Any] = {"queue_name": conf.get().queue}
        if delay and task.get_backend().supports_defer:
            options["run_after"] = timezone.now() + timedelta(seconds=delay)
        task.using(**options).enqueue()

    def check_settings(self, site: Any) -> list[SettingsIssue]:  # noqa: ARG002 - the port's
        """Check that the task backend has the queue and uses the same database as jobs."""
        backend = import_string(_TASKS["drive"]).get_backend()
        queue, found = conf.get().queue, []
        if backend.queues and queue not in backend.queues:
            found.append(
                SettingsIssue(
                    "E015",
                    f"The queue {queue!r} is not among TASKS['default']['QUEUES'].",
                    f"Add {queue!r} to the list.",
                )
            )
        if _is_database(backend) and router.db_for_write(
            import_string("django_tasks_db.models.DBTaskResult")
        ) != router.db_for_write(apps.get_model("imagegen", "Job")):
            found.append(
                SettingsIssue(
                    "W031",
                    "Tasks and jobs are stored in different databases.",
                    "Route both to one database, so that a task never runs before its job is "
                    "committed.",
                )
            )
        return found

    def ping(self) -> None:
        """Check that the database with the queue answers."""
        self._is_waiting(import_string(_TASKS["drive"]))

    def run_worker(self, *, stopping: Callable[[], None], drives: int) -> None:  # noqa: ARG002 - the port's
        """Run the database backend's worker; the first signal also drains the driver.

        :raises WorkerElsewhere: if another task backend is configured, which brings its own worker.
        """
        backend = import_string(_TASKS["drive"]).get_backend()
        if not _is_database(backend):
            raise WorkerElsewhere(
                f"{type(backend).__name__} brings its own worker; run that, and imagegen_sweep beside it."
            )
        worker: Any = import_string("django_tasks_db.management.commands.db_worker.Worker")

        class Draining(worker):  # type: ignore[misc]  # the base is found at run time
            """The backend's worker, which drains the driver when it is asked to stop."""

            def shutdown(self, signum: int, frame: object) -> None:
                stopping()
                super().shutdown(signum, frame)

        running = Draining(
            queue_names=[conf.get().queue],
            interval=_INTERVAL_SECONDS,
            batch=False,
            backend_name=backend.alias,
            startup_delay=False,
            max_tasks=None,
            worker_id=get_random_string(32),
            excluded_queue_names=[],
        )
        running.configure_signals()
        while running.running:
            try:
                running.run()
            except (InterfaceError, OperationalError) as error:
                # The worker would end; wait instead, since the database may only be restarting.
                logger.warning("The database is away (%s); the worker waits for it.", _brief(error))
                connections.close_all()
                time.sleep(_AWAY_SECONDS)

    @staticmethod
    def _is_waiting(task: Any) -> bool:
        """Return whether the same wake-up already waits in the database backend's queue, due now."""
        backend = task.get_backend()
        if not _is_database(backend):
            return False
        results = import_string("django_tasks_db.models.DBTaskResult")
        return bool(
            results.objects.ready()
            .filter(task_path=task.module_path, queue_name=conf.get().queue)
            .exists()
        )


def _brief(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]


def _is_database(backend: object) -> bool:
    return type(backend).__module__.partition(".")[0] == "django_tasks_db"
