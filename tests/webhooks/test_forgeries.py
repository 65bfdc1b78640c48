"""Every forged delivery is refused, and none causes a server error."""

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


def test_the_genuine_delivery_is_accepted(client: Client, attempt: Attempt) -> None:  # noqa: F811 - the fixture
    assert send(client, genuine(attempt_token(attempt), secret=SECRET, body=body())) == 204


def test_no_forged_delivery_is_accepted(client: Client, attempt: Attempt) -> None:  # noqa: F811 - the fixture
    before = Job.objects.get(pk=attempt.job_id).due_at
    valid = genuine(attempt_token(attempt), secret=SECRET, body=body())

    accepted = {}
    for name, forge in FORGERIES.items():
        status = send(client, forge(valid, SECRET))
        is_stored = WebhookDelivery.objects.exists()
        is_applied = AuditEvent.objects.filter(type="webhook.applied").exists()
        is_due_earlier = Job.objects.get(pk=attempt.job_id).due_at != before
        if status not in REFUSED or is_stored or is_applied or is_due_earlier:
            accepted[name] = (status, is_stored, is_applied, is_due_earlier)

    assert accepted == {}


def test_no_randomly_changed_delivery_is_accepted(
    client: Client,
    attempt: Attempt,  # noqa: F811 - the fixture
) -> None:
    valid = genuine(attempt_token(attempt), secret=SECRET, body=body())
    dice = random.Random(4)  # noqa: S311 - a fixed seed makes failures repeatable

    statuses = {send(client, mutated(valid, dice=dice)) for _ in range(300)}

    assert statuses <= REFUSED
    assert not WebhookDelivery.objects.exists()
