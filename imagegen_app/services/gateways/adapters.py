"""Build provider adapters from `Provider` rows and the settings that these rows name."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from imagegen_app import conf
from imagegen_app.core.errors import ProviderError, ProviderUnavailable
from imagegen_app.core.types import RecoveryMethod
from imagegen_app.providers import registry
from imagegen_app.providers.credentials import (
    Credential,
    Secret,
    SecretMissing,
    SecretUnreadable,
)
from imagegen_app.providers.http import HttpClient, HttpLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.types import Capabilities
    from imagegen_app.models import Attempt, ImageModel
    from imagegen_app.models import Provider as ProviderRow
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.base import ProviderAdapter, WebhookNotice

#: A person waits for it.
FETCH_AGAIN_SECONDS = 10.0


class ProviderNotConfigured(Exception):
    """A provider cannot be called with the site's settings; the message says what to do."""


def credential(name: str) -> Credential | None:
    """Return the credential of this name, or None for the empty name.

    :raises ProviderNotConfigured: if the settings have no credential of this name.
    """
    if not name:
        return None
    known = conf.get().credentials
    if name not in known:
        raise ProviderNotConfigured(
            f"The credential {name!r} is not in IMAGEGEN['CREDENTIALS']; add it, or choose another."
        )
    entry = known[name]
    sources = (entry.source,) if isinstance(entry.source, str) else tuple(entry.source)
    return Credential(name=name, sources=sources, hosts=frozenset(entry.hosts))


def webhook_secrets(name: str) -> tuple[Secret, ...]:
    """Return the secrets that the provider of this credential may sign its webhooks with.

    Empty if none is configured or none has a value.

    :raises SecretUnreadable: if their source fails.
    """
    entry = conf.get().credentials.get(name)
    if entry is None or not entry.webhook_source:
        return ()
    source = entry.webhook_source
    sources = (source,) if isinstance(source, str) else tuple(source)
    try:
        return Credential(
            name=f"{name} webhook", sources=sources, hosts=frozenset(entry.hosts)
        ).values()
    except SecretUnreadable:
        raise
    except SecretMissing:
        return ()


def remember_secrets(provider: ProviderRow) -> None:
    """Read a provider's secrets, so that what it sends is stored without them.

    For processes that receive something from a provider which they do not call.
    """
    with suppress(ProviderNotConfigured, SecretMissing):
        known = credential(provider.credential)
        if known is not None:
            known.values()
    webhook_secrets(provider.credential)


def recovery_methods(attempt: Attempt) -> frozenset[RecoveryMethod]:
    """Return the ways in which the outcome of this attempt's call can be found out.

    Empty while the adapter cannot be loaded.
    """
    try:
        return registry.describe(_adapter_path(attempt.image_model.provider)).recovery
    except registry.UnknownAdapter:
        return frozenset()


def idempotency_seconds(provider: ProviderRow) -> float:
    """Return for how long a call may be sent again under its key and is billed once; 0 for never."""
    try:
        described = registry.describe(_adapter_path(provider))
    except registry.UnknownAdapter:
        return 0.0
    heeds_keys = RecoveryMethod.IDEMPOTENCY_KEY in described.recovery
    return described.idempotency_seconds if heeds_keys else 0.0


def check_provider(provider: ProviderRow) -> None:
    """Require that a provider's adapter and credential are usable; nothing is sent.

    :raises ProviderNotConfigured: if its adapter or credential is unknown or has no value.
    """
    path = _adapter_path(provider)
    if path not in registry.adapter_names() and "." not in path:
        raise ProviderNotConfigured(_unknown_adapter_message(provider))
    provider_credential = credential(provider.credential)
    problem = "" if provider_credential is None else problem_of(provider_credential)
    if problem:
        raise ProviderNotConfigured(problem)


def problem_of(provider_credential: Credential) -> str:
    """Read a credential once and return what is wrong with it; empty if it has a value.

    The text holds nothing that its source gave or raised.
    """
    try:
        provider_credential.values()
    except SecretUnreadable as error:
        return f"The key cannot be read: {error}."
    except SecretMissing as error:
        # The error names the credential.
        return f"The {error}."
    return ""


def credential_problems() -> dict[str, str]:
    """Read every credential of the settings once and return the problems by name."""
    found: dict[str, str] = {}
    for name in conf.get().credentials:
        try:
            one = credential(name)
        except ValueError as error:
            # Its source is no source at all; the message does not repeat it.
            found[name] = f"{error}."
            continue
        problem = "" if one is None else problem_of(one)
        if problem:
            found[name] = problem
    return found


def build_adapter(
    provider: ProviderRow,
    *,
    http: HttpClient,
    key: Credential | None = None,
    secrets: tuple[Secret, ...] = (),
) -> ProviderAdapter:
    """Return an adapter that is ready to be called.

    `key` is its credential with the values in hand; without, they are read with each call. `secrets`
    sign its webhooks.

    :raises ProviderNotConfigured: if the adapter or its credential is unknown.
    """
    try:
        return registry.build(
            _adapter_path(provider),
            base_url=provider.base_url,
            credential=key or credential(provider.credential),
            http=http,
            options={"webhook_secrets": secrets},
        )
    except registry.UnknownAdapter:
        raise ProviderNotConfigured(_unknown_adapter_message(provider)) from None
    except ValueError as error:
        raise ProviderNotConfigured(
            f"The provider “{provider.name}” cannot be called: {error}."
        ) from None


def require_credential(provider: ProviderRow) -> Credential | None:
    """Return the credential for a call; one that the settings lack counts as an outage.

    :raises ProviderUnavailable: if the credential is unknown.
    """
    try:
        return credential(provider.credential)
    except ProviderNotConfigured as error:
        raise ProviderUnavailable(str(error), detail="not configured") from None


def require_adapter(
    provider: ProviderRow, *, http: HttpClient, key: Credential | None = None
) -> ProviderAdapter:
    """Return an adapter for a call; a missing configuration counts as an outage, to be retried.

    :raises ProviderUnavailable: if the adapter or its credential is unknown.
    """
    try:
        return build_adapter(provider, http=http, key=key)
    except ProviderNotConfigured as error:
        raise ProviderUnavailable(str(error), detail="not configured") from None


def fetch_again(attempt: Attempt, answer: SpooledAnswer) -> None:
    """Fetch what an answer lacks, if its adapter can and the provider still serves it; free.

    :raises ProviderNotConfigured: if the provider cannot be called.
    """
    http = http_client(read_seconds=FETCH_AGAIN_SECONDS)
    adapter = build_adapter(attempt.image_model.provider, http=http)
    # Optional: few answers hold only the addresses of their images.
    again = getattr(adapter, "fetch_again", None)
    if again is None:
        return

    async def fetch() -> None:
        async with http:
            await again(attempt.provider_ref, answer=answer)

    # What cannot be fetched any more leaves the rest of the answer.
    with suppress(ProviderError):
        asyncio.run(fetch())


def http_client(*, read_seconds: float = 600.0) -> HttpClient:
    """Return a new HTTP client with the site's limits; the caller closes it."""
    calls = conf.get().max_in_flight
    return HttpClient(
        # Polls and downloads run beside as many calls as may be in flight.
        limits=HttpLimits(read=read_seconds, max_connections=2 * calls + 16),
        trusted_origins=frozenset(conf.get().trusted_origins),
    )


def capabilities(image_model: ImageModel) -> Capabilities:
    """Return what a model can do.

    :raises ProviderNotConfigured: if its provider's adapter is unknown.
    """
    try:
        return registry.capabilities(
            _adapter_path(image_model.provider), image_model.provider_model_name
        )
    except registry.UnknownAdapter:
        raise ProviderNotConfigured(_unknown_adapter_message(image_model.provider)) from None


def _adapter_path(provider: ProviderRow) -> str:
    return conf.get().adapters.get(provider.adapter, provider.adapter)


def _unknown_adapter_message(provider: ProviderRow) -> str:
    known = ", ".join([*registry.adapter_names(), *conf.get().adapters])
    return f"{provider.adapter!r} is not a known adapter; available: {known}."


def verify_webhook(
    provider: ProviderRow, *, headers: Mapping[str, str], body: bytes
) -> WebhookNotice:
    """Check a webhook delivery by the provider's own rules and return what it says.

    :raises AuthenticationFailed: if the signature is not the provider's.
    :raises ProviderNotConfigured: if the provider cannot be called.
    :raises SecretUnreadable: if the secret's source fails, so that nobody can tell now.
    """
    secrets = webhook_secrets(provider.credential)
    return build_adapter(provider, http=http_client(), secrets=secrets).verify_webhook(
        headers, body
    )


def adapter_choices() -> list[tuple[str, str]]:
    """Return the adapters that a provider can have: (name, label)."""
    built_in = [(adapter.name, adapter.label) for adapter in registry.describe_all()]
    return [*built_in, *((name, name) for name in sorted(conf.get().adapters))]
