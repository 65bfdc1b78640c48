"""Enqueue through Django's tasks (django-tasks); its database backend is the embedded default."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django.apps import apps
from django.db import InterfaceError, OperationalError, connections, router, transaction
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.module_loading import import_string

from imagegen_app import conf, database
from imagegen_app.engines import local_sockets, postgresql_notifications
from imagegen_app.engines.base import SettingsIssue
from imagegen_app.engines.waking import Alarm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imagegen_app.engines.waking import Listener

#: Dotted paths of the task objects, by the name of the wake-up.
_TASKS = {
    "drive": "imagegen_app.tasks.drive",
    "sweep": "imagegen_app.tasks.sweep",
}

#: Seconds after which a worker that nobody woke looks for tasks by itself.
LOOK_SECONDS = 1.0
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

    def __init__(self) -> None:
        #: What this process waits for, if it is a worker.
        self._alarm: Alarm | None = None

    def enqueue(self, name: str, *, delay: float = 0) -> None:
        """Enqueue the wake-up's task on the site's queue, and wake the workers if it is due."""
        task: Any = import_string(_TASKS[name])
        if not delay and self._is_waiting(task):
            self._ring_local()
            return
        options: dict[str, Any] = {"queue_name": conf.get().queue}
        if delay and task.get_backend().supports_defer:
            options["run_after"] = timezone.now() + timedelta(seconds=delay)
        if not _is_database(task.get_backend()):
            task.using(**options).enqueue()
            return
        with _lossy_transaction(_database()):
            task.using(**options).enqueue()
        if not delay:
            # Workers that look earlier would not find the task.
            transaction.on_commit(self._ring, using=_database(), robust=True)
        elif self._alarm is not None:
            self._alarm.set(delay)

    def _ring(self) -> None:
        self._ring_local()
        using = _database()
        if postgresql_notifications.is_supported(using):
            channel = postgresql_notifications.channel_for(conf.get().queue)
            postgresql_notifications.notify(channel, using=using)

    @staticmethod
    def _ring_local() -> None:
        # Without a state folder there are no sockets; the checks report it.
        with suppress(conf.InvalidSettings):
            local_sockets.ring(local_sockets.folder_for_host(conf.state_dir()))

    def check_settings(self, site: Any) -> list[SettingsIssue]:
        """Check that the task backend has the queue and uses the same database as jobs."""
        if "default" not in getattr(site, "TASKS", {"default": {}}):
            return [
                SettingsIssue(
                    "E085",
                    "TASKS has no backend 'default'.",
                    "Set TASKS = {'default': {'BACKEND': 'django_tasks_db.DatabaseBackend', 'QUEUES': "
                    "['default', 'imagegen']}}.",
                )
            ]
        backend = import_string(_TASKS["drive"]).get_backend()
        if _is_database(backend) and not apps.is_installed("django_tasks_db"):
            return [
                SettingsIssue(
                    "E085",
                    "INSTALLED_APPS lacks django_tasks_db, which TASKS names.",
                    "Add 'django_tasks_db' to INSTALLED_APPS, and run migrate.",
                )
            ]
        queue, found = conf.get().queue, []
        if backend.queues and queue not in backend.queues:
            found.append(
                SettingsIssue(
                    "E015",
                    f"The queue {queue!r} is not among TASKS['default']['QUEUES'].",
                    f"Add {queue!r} to that list. A whole entry is TASKS = {{'default': {{'BACKEND': "
                    f"'django_tasks_db.DatabaseBackend', 'QUEUES': ['default', {queue!r}]}}}}.",
                )
            )
        if not _is_database(backend):
            return found
        column = import_string("django_tasks_db.models.DBTaskResult")._meta.get_field("queue_name")  # noqa: SLF001 - Django's documented API
        if len(queue) > column.max_length:
            # SQLite stores it all the same; other databases refuse every wake-up.
            found.append(
                SettingsIssue(
                    "E015",
                    f"The queue's name has {len(queue)} characters; the engine's table holds "
                    f"{column.max_length}.",
                    "Shorten IMAGEGEN['QUEUE'], and the same name in TASKS['default']['QUEUES'].",
                )
            )
        if router.db_for_read(column.model) != _database():
            # Its worker locks a task in one database and reads it from the other.
            found.append(
                SettingsIssue(
                    "E083",
                    "A database router has tasks read from another database than they are written to.",
                    "Have db_for_read name the same alias as db_for_write for the app "
                    "django_tasks_database.",
                )
            )
        if _database() != database.alias():
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
            interval=LOOK_SECONDS,
            # It returns when no task is due, and waiting is ours.
            batch=True,
            backend_name=backend.alias,
            startup_delay=False,
            max_tasks=None,
            worker_id=get_random_string(32),
            excluded_queue_names=[],
        )
        running.configure_signals()
        _keep_connections(_database())
        logging.getLogger("django_tasks_db").addFilter(_is_no_look)
        self._alarm = alarm = Alarm(_listeners(), interval=LOOK_SECONDS)
        try:
            while running.running:
                try:
                    running.run()
                except (InterfaceError, OperationalError) as error:
                    # The worker would end; wait instead, since the database may only be restarting.
                    logger.warning(
                        "The database is away (%s); the worker waits for it.", _brief(error)
                    )
                    connections.close_all()
                    time.sleep(_AWAY_SECONDS)
                    continue
                if running.running:
                    alarm.wait()
        finally:
            self._alarm = None
            alarm.close()

    @staticmethod
    def _is_waiting(task: Any) -> bool:
        """Return whether the same wake-up already waits in the database backend's queue, due now."""
        backend = task.get_backend()
        if not _is_database(backend):
            return False
        results = import_string("django_tasks_db.models.DBTaskResult")
        return bool(
            results.objects.using(_database())
            .ready()
            .filter(task_path=task.module_path, queue_name=conf.get().queue)
            .exists()
        )


def _listeners() -> list[Listener]:
    """Return what a worker hears wake-ups by: processes of its host, and PostgreSQL for others."""
    found: list[Listener] = []
    with suppress(conf.InvalidSettings):
        found.append(local_sockets.Listener(local_sockets.folder_for_host(conf.state_dir())))
    using = _database()
    if postgresql_notifications.is_supported(using):
        channel = postgresql_notifications.channel_for(conf.get().queue)
        found.append(postgresql_notifications.Listener(channel, using=using))
    return found


def _database() -> str:
    """Return the alias of the database with the tasks."""
    return router.db_for_write(import_string("django_tasks_db.models.DBTaskResult"))


@contextmanager
def _lossy_transaction(using: str) -> Iterator[None]:
    """Commit without waiting for the disk (PostgreSQL): whoever enqueues is waited for by a person.

    A wake-up that is lost with the power of the database's machine is made up for by a sweep.
    Inside another transaction, which may hold more than a wake-up, nothing is changed.
    """
    connection = connections[using]
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        yield
        return
    with transaction.atomic(using=using):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO OFF")
        yield


def _keep_connections(using: str) -> None:
    """Keep the database's connections of this process open, where the site leaves Django's default.

    The worker ends a "request" with each look; to connect anew costs more than to look.
    """
    options = connections[using].settings_dict
    if options.get("CONN_MAX_AGE") == 0 and not options.get("OPTIONS", {}).get("pool"):
        options["CONN_MAX_AGE"] = None


def _is_no_look(record: logging.LogRecord) -> bool:
    """Return whether a log record is not about a look for tasks, of which there is one a second."""
    return not (record.funcName == "run" and record.levelno == logging.INFO)


def _brief(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]


def _is_database(backend: object) -> bool:
    return type(backend).__module__.partition(".")[0] == "django_tasks_db"
