"""Describe a job whose outcome is unknown, for the person who resolves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from imagegen_app.core.states import JobState
from imagegen_app.core.types import RecoveryMethod
from imagegen_app.models import WebhookDelivery
from imagegen_app.services.gateways import adapters
from imagegen_app.services.jobs import leases
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Attempt, Job, Provider


@dataclass(frozen=True, slots=True)
class UncertainJob:
    """What a person needs to know to resolve a job of unknown outcome."""

    attempt: Attempt
    #: What may have been billed.
    amount_at_risk: Decimal
    currency: str
    #: When the job is closed automatically and counted as billed.
    closes_at: datetime
    #: How the outcome may still be found automatically; empty if only a person can find it.
    recovery_methods: tuple[str, ...]
    can_resolve: bool
    #: Whom to ask, for a person who may not resolve it; empty for one who may.
    contact: str = ""


def describe_uncertain_job(actor: Actor, job: Job) -> UncertainJob | None:
    """Return what is known of a job of unknown outcome; None for any other job."""
    if job.state != JobState.UNCERTAIN:
        return None
    attempt = leases.live_attempt(job)
    if attempt is None:
        return None
    can_resolve = access.has_permission(actor, "resolve_job")
    return UncertainJob(
        attempt=attempt,
        amount_at_risk=attempt.reserved_cost,
        currency=job.currency,
        closes_at=job.deadline_at,
        recovery_methods=tuple(_recovery_methods(attempt)),
        can_resolve=can_resolve,
        contact="" if can_resolve else access.contact_sentence(),
    )


def recovery_words(provider: Provider) -> list[str]:
    """Return in words how the outcome of a provider's unanswered call can be found out."""
    return _words_for(adapters.provider_recovery(provider))


def _words_for(supported: frozenset[RecoveryMethod]) -> list[str]:
    labels = {
        RecoveryMethod.IDEMPOTENCY_KEY: _(
            "the same call can be sent again under its idempotency key, and is billed once"
        ),
        RecoveryMethod.CLIENT_REFERENCE: _("the provider can look the call up by our reference"),
        RecoveryMethod.LOOKUP: _("the provider can be queried"),
        RecoveryMethod.WEBHOOK: _("the provider may still send a webhook"),
    }
    return [labels[method] for method in RecoveryMethod if method in supported]


def _recovery_methods(attempt: Attempt) -> list[str]:
    found = _words_for(adapters.recovery_methods(attempt))
    if WebhookDelivery.objects.filter(attempt=attempt).exists():
        found.append(_("a webhook from the provider has arrived"))
    return found
