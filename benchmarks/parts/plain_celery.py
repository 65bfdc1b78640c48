"""What most sites write: a Celery task that calls the API, decodes the answer and stores the file."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from pathlib import Path

import httpx
from celery import Celery

app = Celery("plain", broker=os.environ["PLAIN_BROKER"])
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1, task_ignore_result=True)
app.conf.task_default_queue = os.environ["PLAIN_QUEUE"]


@app.task
def generate(number: int) -> None:
    """Make one image."""
    reply = httpx.post(
        os.environ["PLAIN_URL"] + "/v1/images/generations",
        json={"model": "m", "prompt": f"mug {number}", "size": "1024x1024"},
        timeout=600,
    )
    data = base64.b64decode(reply.json()["data"][0]["b64_json"])
    name = hashlib.sha256(data + str(number).encode()).hexdigest()
    Path(os.environ["PLAIN_FOLDER"], f"{name}.png").write_bytes(data)


@app.task(rate_limit="50/s")
def tick() -> None:
    """Note the time: what Celery's own limit lets through."""
    line = f"{time.time()}\n"
    with Path(os.environ["PLAIN_FOLDER"], f"ticks-{os.getpid()}").open("a") as file:
        file.write(line)
