"""Build provider adapters from `Provider` rows and the settings that these rows name."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagegen_app import conf
from imagegen_app.core.capability_overrides import InvalidOverride
from imagegen_app.core.errors import ProviderError, ProviderTimeout, ProviderUnavailable
from imagegen_app.core.i18n import gettext_noop
from imagegen_app.core.types import Call, Operation, RecoveryMethod
from imagegen_app.providers import registry
from imagegen_app.providers.credentials import Credential, Secret, SecretMissing, SecretUnreadable
from imagegen_app.providers.http import Auth, HttpClient, HttpLimits
from imagegen_app.providers.http.headers import auth_headers
from imagegen_app.services.gateways import base_urls, usable_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagegen_app.core.capabilities import Capabilities
    from imagegen_app.core.i18n import Message
    from imagegen_app.models import Attempt, ImageModel, Job
    from imagegen_app.models import Provider as ProviderRow
    from imagegen_app.providers.answers import SpooledAnswer
    from imagegen_app.providers.base import ProviderAdapter, WebhookNotice

#: A person waits for it.
FETCH_AGAIN_SECONDS = 10.0
#: The sender of a webhook waits for it.
VERIFY_SECONDS = 10.0
#: What a job says while its provider is not configured; the error's detail has the reason.
NOT_CONFIGURED = gettext_noop(
    "The provider cannot be called with the site's settings; nothing was sent."
)


class ProviderNotConfigured(Exception):
    """A provider cannot be called with the site's settings; the message says what to do."""


class CredentialNotAllowed(ProviderNotConfigured):
    """A provider's credential is unknown, revoked, or of another environment."""


class BaseUrlNotAllowed(ProviderNotConfigured):
    """A provider's base URL is not one that the site allows."""

    def __init__(self, problem: Message) -> None:
        super().__init__(str(problem))
        #: What is wrong and what to do, for front ends to translate.
        self.problem = problem


def credential(name: str) -> Credential | None:
    """Return the credential of this name, or None for the empty name.

    :raises CredentialNotAllowed: if the settings have no credential of this name, it was revoked, or it
        belongs to another environment.
    """
    try:
        return usable_credentials.credential(name)
    except usable_credentials.CredentialUnusable as error:
        raise CredentialNotAllowed(str(error)) from None


def remember_secrets(provider: ProviderRow) -> None:
    """Read a provider's secrets, so that what it sends is stored without them.

    For processes that receive something from a provider which they do not call.
    """
    with suppress(ProviderNotConfigured, SecretMissing):
        known = credential(provider.credential)
        if known is not None:
            known.values()
    usable_credentials.webhook_secrets(provider.credential)


def recovery_methods(attempt: Attempt) -> frozenset[RecoveryMethod]:
    """Return the ways in which the outcome of this attempt's call can be found out.

    Empty while the adapter cannot be loaded.
    """
    return provider_recovery(attempt.image_model.provider)


def provider_recovery(provider: ProviderRow) -> frozenset[RecoveryMethod]:
    """Return the ways in which the outcome of a provider's unanswered call can be found out.

    Empty while its adapter cannot be loaded.
    """
    try:
        return registry.recovery_of(adapter_path(provider), provider.options)
    except registry.UnknownAdapter:
        return frozenset()


def answers_by_name(image_model: ImageModel) -> bool:
    """Tell whether the model version that an answer tells begins with the model's own name."""
    try:
        return registry.describe(adapter_path(image_model.provider)).names_models
    except registry.UnknownAdapter:
        return False


def idempotency_seconds(provider: ProviderRow) -> float:
    """Return for how long a call may be sent again under its key and is billed once; 0 for never."""
    try:
        described = registry.describe(adapter_path(provider))
    except registry.UnknownAdapter:
        return 0.0
    heeds_keys = RecoveryMethod.IDEMPOTENCY_KEY in described.recovery
    return described.idempotency_seconds if heeds_keys else 0.0


def check_provider(provider: ProviderRow) -> None:
    """Require that a provider's adapter, base URL and credential are usable; nothing is sent.

    :raises ProviderNotConfigured: if its adapter or credential is unknown, an option is wrong, its base
        URL is not allowed, or the credential has no value, or none that its calls can carry.
    """
    path = adapter_path(provider)
    if path not in registry.adapter_names() and "." not in path:
        raise ProviderNotConfigured(_unknown_adapter_message(provider))
    require_base_url(provider)
    known = credential(provider.credential)
    key = None if known is None else _with_values(known)
    adapter = build_adapter(provider, http=http_client(), key=key)
    # Those of others may send their keys in ways of their own.
    auth, url = getattr(adapter, "auth", None), getattr(adapter, "base", "")
    if isinstance(auth, Auth) and isinstance(url, str):
        try:
            auth_headers(auth, url=url, method="POST", body=b"{}")
        except ProviderError as error:
            raise ProviderNotConfigured(f"No call can be made: {error.detail}.") from None


def require_base_url(provider: ProviderRow) -> None:
    """Require that a provider's base URL is its adapter's own or one that the site allows.

    :raises BaseUrlNotAllowed: if it is neither.
    """
    problem = base_urls.base_url_problem(provider)
    if problem is not None:
        raise BaseUrlNotAllowed(problem)


def _with_values(known: Credential) -> Credential:
    try:
        return replace(known, held=known.values())
    except SecretUnreadable as error:
        raise ProviderNotConfigured(f"The key cannot be read: {error}.") from None
    except SecretMissing as error:
        # The error names the credential.
        raise ProviderNotConfigured(f"The {error}.") from None


def build_adapter(
    provider: ProviderRow,
    *,
    http: HttpClient,
    key: Credential | None = None,
    secrets: tuple[Secret, ...] = (),
    image_model: ImageModel | None = None,
) -> ProviderAdapter:
    """Return an adapter that is ready to be called, for the model whose capabilities it checks.

    `key` is its credential with the values in hand; without, they are read with each call. `secrets`
    sign its webhooks.

    :raises ProviderNotConfigured: if the adapter or its credential is unknown, an option is wrong,
        or the base URL is not allowed.
    """
    require_base_url(provider)
    corrected, workflows = {}, dict[str, Any]()
    if image_model is not None:
        if image_model.capabilities:
            corrected[image_model.provider_model_name] = image_model.capabilities
        workflows = _workflows_of(image_model)
    try:
        return registry.build(
            adapter_path(provider),
            base_url=provider.base_url,
            credential=key or credential(provider.credential),
            http=http,
            options=provider.options,
            webhook_secrets=secrets,
            overrides=corrected,
            workflows=workflows,
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
        raise ProviderUnavailable(NOT_CONFIGURED, detail=str(error)) from None


def require_adapter(
    image_model: ImageModel, *, http: HttpClient, key: Credential | None = None
) -> ProviderAdapter:
    """Return an adapter for a model's calls; a missing configuration counts as an outage, to be retried.

    :raises ProviderUnavailable: if the adapter or its credential is unknown, or its base URL is not
        allowed.
    """
    try:
        return build_adapter(image_model.provider, http=http, key=key, image_model=image_model)
    except ProviderNotConfigured as error:
        raise ProviderUnavailable(NOT_CONFIGURED, detail=str(error)) from None


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

    call = call_of(attempt.job, attempt)

    async def fetch() -> None:
        async with http:
            await again(call, answer=answer)

    # What cannot be fetched any more leaves the rest of the answer.
    with suppress(ProviderError):
        asyncio.run(fetch())


def call_of(job: Job, attempt: Attempt, *, ref: str = "") -> Call:
    """Return the call of an attempt; `ref` stands in where the provider's reference is unknown."""
    return Call(
        ref=attempt.provider_ref or ref,
        model=attempt.image_model.provider_model_name,
        operation=Operation(job.operation),
        count=job.count,
        output_format=job.output_format,
        state=dict(attempt.provider_state),
    )


def http_client(*, read_seconds: float = 600.0) -> HttpClient:
    """Return a new HTTP client with the site's limits; the caller closes it."""
    calls = conf.get().max_in_flight
    return HttpClient(
        # Polls and downloads run beside as many calls as may be in flight.
        limits=HttpLimits(read=read_seconds, max_connections=2 * calls + 16),
        trusted_origins=frozenset(conf.get().trusted_origins),
    )


def capabilities(image_model: ImageModel) -> Capabilities:
    """Return what a model can do: by its adapter, with what an administrator has corrected.

    :raises ProviderNotConfigured: if its provider's adapter is unknown, or a correction is wrong.
    """
    try:
        return registry.capabilities(
            adapter_path(image_model.provider),
            image_model.provider_model_name,
            options=image_model.provider.options,
            overrides=image_model.capabilities,
            workflows=_workflows_of(image_model),
        )
    except registry.UnknownAdapter:
        raise ProviderNotConfigured(_unknown_adapter_message(image_model.provider)) from None
    except InvalidOverride as error:
        raise ProviderNotConfigured(
            f"The corrected capabilities of “{image_model.name}” cannot be used: {error}"
        ) from None


def capability_problem(image_model: ImageModel) -> Message | None:
    """Return what is wrong with a model's corrected capabilities; None if nothing is."""
    try:
        registry.capabilities(
            adapter_path(image_model.provider),
            image_model.provider_model_name,
            options=image_model.provider.options,
            overrides=image_model.capabilities,
            workflows=_workflows_of(image_model),
        )
    except registry.UnknownAdapter:
        # The provider's own problem, which is named there.
        return None
    except InvalidOverride as error:
        return error.problem
    return None


def option_problems(provider: ProviderRow) -> dict[str, Message]:
    """Return by name what is wrong with a provider's options."""
    try:
        return registry.option_errors(adapter_path(provider), provider.options)
    except registry.UnknownAdapter:
        return {}


def _workflows_of(image_model: ImageModel) -> dict[str, Any]:
    if image_model.workflow is None:
        return {}
    return {image_model.provider_model_name: image_model.workflow.document}


def adapter_path(provider: ProviderRow) -> str:
    """Return the name or the path by which the registry knows a provider's adapter."""
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
    :raises ProviderUnavailable: or `ProviderTimeout`, if the provider must be asked to tell, and
        cannot be just now.
    """
    secrets = usable_credentials.webhook_secrets(provider.credential)
    http = http_client(read_seconds=VERIFY_SECONDS)
    adapter = build_adapter(provider, http=http, secrets=secrets)

    async def verify() -> WebhookNotice:
        async with http, asyncio.timeout(VERIFY_SECONDS):
            return await adapter.verify_webhook(headers, body)

    try:
        return asyncio.run(verify())
    except TimeoutError:
        raise ProviderTimeout(detail="the webhook could not be verified in time") from None


def adapter_choices() -> list[tuple[str, str]]:
    """Return the adapters that a provider can have: (name, label)."""
    built_in = [(adapter.name, adapter.label) for adapter in registry.describe_all()]
    return [*built_in, *((name, name) for name in sorted(conf.get().adapters))]
