"""A delivery about another call changes nothing; one that cannot be verified now may come again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from django.conf import settings as django_settings

from imagegen_app.core.errors import ProviderTimeout, ProviderUnavailable
from imagegen_app.models import AuditEvent, Job, WebhookDelivery
from imagegen_app.providers.base import WebhookNotice
from imagegen_app.providers.sandbox import Sandbox
from imagegen_app.services.jobs.rebuilding import attempt_token
from imagegen_app.services.worker import webhook_inbox
from imagegen_app.testing.factories import make_attempt, make_image_model, make_job, make_provider

if TYPE_CHECKING:
    from imagegen_app.models import Attempt


class Asking(Sandbox):
    """Would have to ask the provider for its keys."""

    error: ClassVar[Exception | None] = None
    ref: ClassVar[str] = "job_1"

    async def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookNotice:
        if self.error is not None:
            raise self.error
        return WebhookNotice(delivery_id="d1", ref=self.ref, status="succeeded")


@pytest.fixture
def attempt(db: None, settings: Any) -> Attempt:
    settings.IMAGEGEN = {
        **django_settings.IMAGEGEN,
        "ENGINE": "tests.services.silent_engine.SilentEngine",
        "ADAPTERS": {"asking": f"{__name__}:Asking"},
    }
    model = make_image_model(provider=make_provider(adapter="asking"))
    return make_attempt(
        job=make_job(image_model=model, state="awaiting"), state="accepted", provider_ref="job_1"
    )


def receive(attempt: Attempt) -> str:
    return webhook_inbox.receive(token=attempt_token(attempt), headers={}, body=b"{}")


def due(attempt: Attempt) -> Any:
    return Job.objects.get(pk=attempt.job_id).due_at


@pytest.mark.parametrize("error", [ProviderUnavailable(), ProviderTimeout(), TimeoutError()])
def test_a_delivery_whose_keys_cannot_be_fetched_may_come_again(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(Asking, "error", error)
    before = due(attempt)

    with pytest.raises(webhook_inbox.WebhookNotVerifiable):
        receive(attempt)

    assert (due(attempt), WebhookDelivery.objects.count()) == (before, 0)
    monkeypatch.setattr(Asking, "error", None)
    assert receive(attempt) == "applied"
    assert due(attempt) != before


def test_a_delivery_about_another_call_than_the_attempts_is_ignored(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Asking, "ref", "job_2")
    before = due(attempt)

    assert receive(attempt) == "ignored"

    attempt.refresh_from_db()
    assert (due(attempt), attempt.provider_ref) == (before, "job_1")
    event = AuditEvent.objects.get(type="webhook.applied")
    assert '"outcome":"ignored"' in event.body


def test_a_lost_call_does_not_take_the_reference_of_another_one(attempt: Attempt) -> None:
    job = make_job(image_model=attempt.image_model, state="submitting")
    lost = make_attempt(job=job, state="sent", provider_ref="")

    assert receive(lost) == "ignored"

    lost.refresh_from_db()
    assert lost.provider_ref == ""
