"""No forged delivery is taken, and none breaks the door."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from django.urls import reverse

from imagegen_app.models import AuditEvent, Job, WebhookDelivery
from imagegen_app.services.jobs.rebuilding import attempt_token
from tests.webhooks.forgeries import FORGERIES, Delivery, genuine, mutated
from tests.webhooks.test_receive import SECRET, attempt, body  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from django.test import Client

    from imagegen_app.models import Attempt

REFUSED = {400, 401, 404, 405, 413}


def send(client: Client, delivery: Delivery) -> int:
    return client.generic(
        delivery.method,
        reverse("imagegen:webhook", args=[delivery.token]),
        data=delivery.body,
        content_type="application/json",
        headers=delivery.headers,
    ).status_code


def test_the_delivery_that_they_are_made_of_is_taken(client: Client, attempt: Attempt) -> None:  # noqa: F811 - the fixture
    assert send(client, genuine(attempt_token(attempt), secret=SECRET, body=body())) == 204


def test_no_forgery_is_taken(client: Client, attempt: Attempt) -> None:  # noqa: F811 - the fixture
    before = Job.objects.get(pk=attempt.job_id).due_at
    valid = genuine(attempt_token(attempt), secret=SECRET, body=body())

    taken = {}
    for name, forge in FORGERIES.items():
        status = send(client, forge(valid, SECRET))
        is_stored = WebhookDelivery.objects.exists()
        is_applied = AuditEvent.objects.filter(type="webhook.applied").exists()
        is_due_earlier = Job.objects.get(pk=attempt.job_id).due_at != before
        if status not in REFUSED or is_stored or is_applied or is_due_earlier:
            taken[name] = (status, is_stored, is_applied, is_due_earlier)

    assert taken == {}


def test_no_delivery_with_bytes_changed_at_random_is_taken(
    client: Client,
    attempt: Attempt,  # noqa: F811 - the fixture
) -> None:
    good = genuine(attempt_token(attempt), secret=SECRET, body=body())
    dice = random.Random(4)  # noqa: S311 - can be repeated

    answers = {send(client, mutated(good, dice=dice)) for _ in range(300)}

    assert answers <= REFUSED
    assert not WebhookDelivery.objects.exists()
