"""Receive webhooks: verify and store each delivery, then make its job due.

The URL contains the attempt's signed token, and the body's signature is checked if the provider
signs. The result is never taken from a delivery: the worker polls the provider for it.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import IntegrityError

from imagegen_app.core import live_secrets
from imagegen_app.core.actors import System
from imagegen_app.core.errors import (
    AuthenticationFailed,
    ProviderTimeout,
    ProviderUnavailable,
)
from imagegen_app.core.failpoints import failpoint
from imagegen_app.core.limits import MAX_WEBHOOK_BYTES
from imagegen_app.core.provider_text import MAX_ID_CHARS, provider_text
from imagegen_app.core.states import AttemptState, JobState
from imagegen_app.engines.base import wake
from imagegen_app.models import Attempt, Job, WebhookDelivery
from imagegen_app.providers.credentials import SecretUnreadable
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import adapters
from imagegen_app.services.jobs.rebuilding import attempt_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.providers.base import WebhookNotice

WEBHOOKS_ACTOR = System("webhook")
#: Longer IDs of deliveries do not fit the column.
MAX_DELIVERY_ID_CHARS = 120
_STORED_HEADERS = ("content-type", "user-agent", "webhook-id", "webhook-timestamp")
_WAITING = frozenset({JobState.SUBMITTING, JobState.AWAITING, JobState.UNCERTAIN})


class UnknownWebhookToken(Exception):
    """The URL's token names no attempt, or its signature is wrong."""


class InvalidWebhookSignature(Exception):
    """The delivery was not signed by the provider."""


class WebhookNotVerifiable(Exception):
    """Its signature cannot be checked just now; the provider may send it again."""


class WebhookTooLarge(Exception):
    """The body is larger than `MAX_WEBHOOK_BYTES`."""


def receive(*, token: str, headers: Mapping[str, str], body: bytes) -> str:
    """Store a delivery and apply it once; return `applied`, `ignored` or `repeated`.

    :raises UnknownWebhookToken: if the token is not valid.
    :raises WebhookTooLarge: if the body is too large.
    :raises InvalidWebhookSignature: if the signature is not the provider's.
    :raises WebhookNotVerifiable: if that cannot be told now.
    """
    if len(body) > MAX_WEBHOOK_BYTES:
        raise WebhookTooLarge
    attempt = _attempt(token)
    try:
        adapters.remember_secrets(attempt.image_model.provider)
        notice = adapters.verify_webhook(attempt.image_model.provider, headers=headers, body=body)
    except (AuthenticationFailed, adapters.ProviderNotConfigured):
        _record_refusal(attempt=attempt)
        raise InvalidWebhookSignature from None
    except (SecretUnreadable, ProviderUnavailable, ProviderTimeout):
        raise WebhookNotVerifiable from None
    notice = _cleaned(notice, body)
    try:
        outcome = _process(attempt=attempt, notice=notice, headers=headers, body=body)
    except IntegrityError:
        return "repeated"
    failpoint("webhook.after_inbox_commit")
    return outcome


def _cleaned(notice: WebhookNotice, body: bytes) -> WebhookNotice:
    """Return a notice whose texts can be stored; an ID or reference that cannot is left out."""
    return replace(
        notice,
        # Without an ID of its own, a repeated delivery is known by its bytes.
        delivery_id=notice.delivery_id
        if 0 < len(notice.delivery_id) <= MAX_DELIVERY_ID_CHARS
        else hashlib.sha256(body).hexdigest(),
        status=provider_text(notice.status, max_chars=40),
    )


@use_case()
def _process(
    *, attempt: Attempt, notice: WebhookNotice, headers: Mapping[str, str], body: bytes
) -> str:
    """Store a delivery and apply it in one transaction; if that fails, the sender repeats it.

    :raises IntegrityError: if the delivery is stored already.
    """
    is_applied = _make_due(attempt, notice)
    outcome = "applied" if is_applied else "ignored"
    stored_headers = {
        name: provider_text(headers[name], max_chars=MAX_ID_CHARS)
        for name in _STORED_HEADERS
        if name in headers
    }
    # One that comes late would bring an erased prompt back.
    is_erased = Job.objects.filter(pk=attempt.job_id, prompt_erased_at__isnull=False).exists()
    delivery = WebhookDelivery.objects.create(
        provider=attempt.image_model.provider,
        delivery_id=notice.delivery_id,
        attempt=attempt,
        headers=stored_headers,
        body_sha256="" if is_erased else hashlib.sha256(body).hexdigest(),
        body=""
        if is_erased
        else live_secrets.hide(
            body.decode("utf-8", "replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")
        ),
        outcome=outcome,
        applied_at=clock.now(),
    )
    provider = attempt.image_model.provider.slug
    event_log.record(
        WEBHOOKS_ACTOR,
        "webhook.received",
        subject=delivery,
        job=attempt.job,
        data={"provider": provider, "status": notice.status},
    )
    event_log.record(
        WEBHOOKS_ACTOR,
        "webhook.applied",
        subject=attempt.job,
        job=attempt.job,
        data={"provider": provider, "outcome": outcome, "delivery": delivery.pk},
    )
    if is_applied:
        wake("drive")
    return outcome


def _make_due(attempt: Attempt, notice: WebhookNotice) -> bool:
    """Set the provider's reference if it is unknown, and make the job due if it waits.

    A notice about a call that is not this attempt's changes nothing.
    """
    if _is_about_another_call(attempt, notice.ref):
        return False
    if notice.ref and not attempt.provider_ref:
        unnamed = Attempt.objects.filter(pk=attempt.pk, provider_ref="")
        unnamed.exclude(state=AttemptState.CREATED.value).update(provider_ref=notice.ref)
    waiting = Job.objects.filter(
        pk=attempt.job_id, state__in=sorted(_WAITING), live_attempt=attempt
    )
    return bool(waiting.update(due_at=clock.now()))


def _is_about_another_call(attempt: Attempt, ref: str) -> bool:
    if not ref:
        return False
    if attempt.provider_ref:
        return ref != attempt.provider_ref
    same_provider = Attempt.objects.filter(image_model__provider=attempt.image_model.provider)
    return same_provider.filter(provider_ref=ref).exclude(pk=attempt.pk).exists()


@use_case()
def _record_refusal(*, attempt: Attempt) -> None:
    event_log.record(
        WEBHOOKS_ACTOR,
        "webhook.refused",
        subject=attempt.job,
        job=attempt.job,
        data={"provider": attempt.image_model.provider.slug, "error": "forged"},
    )


def _attempt(token: str) -> Attempt:
    name, _dot, _mac = token.partition(".")
    try:
        key = UUID(hex=name)
    except ValueError:
        raise UnknownWebhookToken from None
    attempt = Attempt.objects.select_related("image_model__provider", "job").filter(pk=key).first()
    if attempt is None or not hmac.compare_digest(
        attempt_token(attempt).encode(), token.encode("utf-8", "replace")
    ):
        raise UnknownWebhookToken
    return attempt
