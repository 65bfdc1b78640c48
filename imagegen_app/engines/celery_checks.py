"""Find Celery settings that lose work or waste a worker, each with a hint."""

from __future__ import annotations

from typing import Any

from imagegen_app import conf as imagegen_conf
from imagegen_app.engines.base import SettingsIssue, max_drive_seconds
from imagegen_app.engines.celery_producer import kind_of
from imagegen_app.engines.celery_tasks import delayed_queue

#: The longest name of a queue by the AMQP protocol.
MAX_AMQP_NAME_BYTES = 255


def check_settings(app: Any, *, settings: Any) -> list[SettingsIssue]:
    """Check the configuration of the site's Celery app, without contacting a broker.

    Sources: Celery's and kombu's own documentation of each setting, and what was measured.
    """
    found: list[SettingsIssue] = []
    conf = app.conf
    if conf.task_always_eager:
        found.append(
            SettingsIssue(
                "W032",
                "CELERY_TASK_ALWAYS_EAGER processes jobs in the web request.",
                "Remove it, and run imagegen_worker; for tests there is the immediate engine.",
            )
        )
    if not getattr(conf, "broker_url", None):
        found.append(
            SettingsIssue(
                "W033",
                "Celery has no broker configured: it tries RabbitMQ on this host.",
                "Set CELERY_BROKER_URL, and load the site's Celery app in its __init__.py.",
            )
        )
    kind = kind_of(app.connection_for_read())
    longest = delayed_queue(imagegen_conf.get().queue)
    if kind != "redis" and len(longest.encode()) > MAX_AMQP_NAME_BYTES:
        found.append(
            SettingsIssue(
                "E015",
                f"The queue's name is too long: with what is added to it, it has "
                f"{len(longest.encode())} bytes, and the broker allows {MAX_AMQP_NAME_BYTES}.",
                "Shorten IMAGEGEN['QUEUE'].",
            )
        )
    options = dict(conf.broker_transport_options or {})
    if kind == "redis" and int(options.get("visibility_timeout", 3600)) <= max_drive_seconds():
        found.append(
            SettingsIssue(
                "W034",
                "Redis may deliver a task to a second worker while the first still processes it.",
                "Set CELERY_BROKER_TRANSPORT_OPTIONS['visibility_timeout'] to more than "
                f"{max_drive_seconds()} seconds; its default is 3600.",
            )
        )
    pooled = any(entry.get("OPTIONS", {}).get("pool") for entry in settings.DATABASES.values())
    if not pooled and not _reuses(app, settings):
        found.append(
            SettingsIssue(
                "W035",
                "Celery closes the database connection after every task.",
                "Set CELERY_DB_REUSE_MAX for processes, or a connection pool "
                "(DATABASES['default']['OPTIONS']['pool']) for threads.",
            )
        )
    if conf.worker_prefetch_multiplier not in {0, 1}:
        found.append(
            SettingsIssue(
                "W036",
                f"A worker prefetches {conf.worker_prefetch_multiplier} tasks per slot, so that idle "
                "workers do not get them.",
                "Set CELERY_WORKER_PREFETCH_MULTIPLIER = 1.",
            )
        )
    if (limit := conf.task_time_limit) and limit < max_drive_seconds():
        found.append(
            SettingsIssue(
                "W037",
                f"CELERY_TASK_TIME_LIMIT stops a task after {limit} seconds.",
                f"A task may take {max_drive_seconds()} seconds; raise the limit, or remove it.",
            )
        )
    return found


def _reuses(app: Any, settings: Any) -> bool:
    return bool(app.conf.get("db_reuse_max") or getattr(settings, "CELERY_DB_REUSE_MAX", 0))
