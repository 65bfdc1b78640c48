"""Each trap in an engine's settings is a system check with its remedy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery

from imagegen_app.engines import celery_checks
from imagegen_app.engines.base import max_drive_seconds
from imagegen_app.engines.django_tasks import DjangoTasksEngine
from imagegen_app.engines.rq import RqEngine

SOUND = {
    "broker_url": "redis://127.0.0.1:6379/9",
    "worker_prefetch_multiplier": 1,
    "db_reuse_max": 500,
}
TRAPS: list[tuple[dict[str, Any], str]] = [
    ({"task_always_eager": True}, "W032"),
    ({"broker_url": None}, "W033"),
    ({"broker_transport_options": {"visibility_timeout": 60}}, "W034"),
    ({"db_reuse_max": None}, "W035"),
    ({"worker_prefetch_multiplier": 4}, "W036"),
    ({"task_time_limit": 30}, "W037"),
]


def found(settings: Any = None, **changes: Any) -> list[str]:
    app = Celery("traps", set_as_current=False)
    app.conf.update({**SOUND, **changes})
    site = settings or SimpleNamespace(DATABASES={"default": {}})
    return [complaint.check for complaint in celery_checks.check_settings(app, settings=site)]


def test_sound_settings_of_celery_give_no_complaint() -> None:
    assert found() == []


@pytest.mark.parametrize(("changes", "check"), TRAPS, ids=[t[1] for t in TRAPS])
def test_each_trap_of_celery_is_named(changes: dict[str, Any], check: str) -> None:
    assert found(**changes) == [check]


def test_a_connection_pool_is_as_good_as_reuse() -> None:
    site = SimpleNamespace(DATABASES={"default": {"OPTIONS": {"pool": True}}})

    assert found(site, db_reuse_max=None) == []


def test_a_longer_visibility_than_any_drive_is_sound() -> None:
    options = {"visibility_timeout": max_drive_seconds() + 1}

    assert found(broker_transport_options=options) == []


def test_rq_needs_its_queue_and_a_worker(settings: Any) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "QUEUE": "images"}
    settings.RQ_QUEUES = {}
    assert [c.check for c in RqEngine().check_settings(settings)] == ["E015"]

    settings.RQ_QUEUES = {"images": {"URL": "redis://127.0.0.1:6379/9", "ASYNC": False}}
    assert [c.check for c in RqEngine().check_settings(settings)] == ["W032"]


def test_the_embedded_engine_needs_its_queue(settings: Any) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "QUEUE": "images"}
    settings.TASKS = {
        "default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["other"]}
    }

    (issue,) = DjangoTasksEngine().check_settings(settings)

    assert issue.check == "E015"
    # Where no TASKS are set at all, there is no list to add it to.
    assert (
        "'BACKEND': 'django_tasks_db.DatabaseBackend', 'QUEUES': ['default', 'images']"
        in issue.hint
    )


def test_a_queue_name_longer_than_the_engines_column_is_reported(settings: Any) -> None:
    name = "q" * 33
    settings.IMAGEGEN = {**settings.IMAGEGEN, "QUEUE": name}
    settings.TASKS = {
        "default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default", name]}
    }

    (issue,) = DjangoTasksEngine().check_settings(settings)

    assert (issue.check, "33 characters" in issue.message, "holds 32" in issue.message) == (
        "E015",
        True,
        True,
    )
    assert "Shorten" in issue.hint


def test_a_queue_name_longer_than_amqp_allows_is_reported(settings: Any) -> None:
    settings.IMAGEGEN = {**settings.IMAGEGEN, "QUEUE": "ü" * 125}

    assert found(broker_url="amqp://127.0.0.1//") == ["E015"]
    assert found() == []
