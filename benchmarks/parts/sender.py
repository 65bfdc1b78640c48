"""Send webhooks to the receiving view, in the process of the site, and print the results.

Usage: python -m benchmarks.parts.sender FORGED GENUINE AT_ONCE, in a site's environment.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.engines.site.settings")
django.setup()

from django.db import connection  # noqa: E402 - the apps come first
from django.test import RequestFactory  # noqa: E402 - the apps come first

from imagegen_app.models import Attempt, ImageModel, WebhookDelivery  # noqa: E402
from imagegen_app.services.jobs.rebuilding import attempt_token  # noqa: E402 - the apps come first
from imagegen_app.testing.factories import make_attempt, make_job  # noqa: E402
from imagegen_app.webhooks.views import Receive  # noqa: E402 - the apps come first
from tests.webhooks.forgeries import FORGERIES, Delivery, genuine, mutated  # noqa: E402

SECRET = os.environ["SITE_WEBHOOK_SECRET"]
BODY = json.dumps({"type": "job.finished", "data": {"id": "job_1", "status": "succeeded"}}).encode()
VIEW = Receive.as_view()
FACTORY = RequestFactory()
SERVER_ERROR, TAKEN = 500, 204


def send(delivery: Delivery) -> int:
    """Hand a delivery to the view."""
    request = FACTORY.generic(
        delivery.method,
        "/",
        data=delivery.body,
        content_type="application/json",
        headers=delivery.headers,
    )
    return int(VIEW(request, token=delivery.token).status_code)


def waiting() -> Attempt:
    """Return an attempt whose provider may send a webhook."""
    job = make_job(image_model=ImageModel.objects.get(), state="awaiting")
    return make_attempt(job=job, state="accepted", provider_ref="job_1")


def _genuine(number: int, attempt: Attempt) -> Delivery:
    return genuine(attempt_token(attempt), secret=SECRET, body=BODY, delivery=f"msg_{number}")


def main(forged: int, wanted: int, at_once: int) -> dict[str, float | int]:
    """Send forged ones, genuine ones by turns, and equal ones side by side."""
    choices = random.Random(4)  # noqa: S311 - can be repeated
    attempts = [waiting() for _ in range(20)]
    kinds = list(FORGERIES.values())
    answers = []
    for number in range(forged):
        delivery = _genuine(number, attempts[number % len(attempts)])
        forge = kinds[number % len(kinds)] if number % 2 else None
        answers.append(send(forge(delivery, SECRET) if forge else mutated(delivery, dice=choices)))
    taken = WebhookDelivery.objects.count()
    times = []
    for number in range(wanted):
        delivery = _genuine(number, attempts[number % len(attempts)])
        began = time.perf_counter()
        answers.append(send(delivery))
        times.append((time.perf_counter() - began) * 1000)
    equal = genuine(attempt_token(waiting()), secret=SECRET, body=BODY, delivery="equal")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(_alone, [equal] * at_once))
    return {
        "forged": forged,
        "forged taken": taken,
        "5xx": sum(answer >= SERVER_ERROR for answer in answers),
        "genuine": wanted,
        "taken": answers.count(TAKEN),
        "median ms": round(statistics.median(times), 2),
        "p99 ms": round(statistics.quantiles(times, n=100)[98], 2),
        "equal at once": at_once,
        "applied of equal ones": WebhookDelivery.objects.filter(
            delivery_id="equal", outcome="applied"
        ).count(),
    }


def _alone(delivery: Delivery) -> None:
    try:
        send(delivery)
    finally:
        connection.close()


if __name__ == "__main__":
    print(json.dumps(main(*(int(text) for text in sys.argv[1:]))))
