"""A Celery task of a Django site that does next to nothing: two updates and an insert, as claiming and finishing."""

from __future__ import annotations

import os

import django
from celery import Celery

# Celery looks after Django's connections only where it is told the settings.
os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.parts.noop_settings"
django.setup()

app = Celery("noop", broker=os.environ["NOOP_BROKER"])
app.conf.task_default_queue = os.environ["NOOP_QUEUE"]
app.conf.task_ignore_result = True
if os.environ["NOOP_SHIPPED"]:
    app.conf.update(
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        broker_transport_options={"max_connections": 100, "visibility_timeout": 3600},
    )


@app.task
def step(number: int) -> None:
    """Claim, finish and note one job."""
    from django.db import connection  # noqa: PLC0415 - after the setup

    with connection.cursor() as cursor:
        cursor.execute(
            "update noop set state = 'claimed' where id = %s and state = 'queued'", [number]
        )
        cursor.execute("update noop set state = 'done' where id = %s", [number])
        cursor.execute("insert into note (job) values (%s)", [number])
