"""Ask a provider's server what it says of a model; free, and within seconds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from imagegen_app.core.errors import ProviderTimeout
from imagegen_app.core.model_descriptions import page_of
from imagegen_app.providers import registry
from imagegen_app.services.gateways import adapters

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from imagegen_app.core.model_descriptions import ModelDescription, ModelPage
    from imagegen_app.models import ImageModel, Provider
    from imagegen_app.providers.http import HttpClient

_Told = TypeVar("_Told")

#: A person waits for it.
ASK_SECONDS = 15.0


def can_describe(image_model: ImageModel) -> bool:
    """Return whether the model's adapter knows how to ask its server; nothing is sent."""
    try:
        return registry.has_method(adapters.adapter_path(image_model.provider), "describe_model")
    except registry.UnknownAdapter:
        return False


def can_list(provider: Provider) -> bool:
    """Return whether a provider's adapter may name the models that its server has; nothing is sent."""
    path = adapters.adapter_path(provider)
    try:
        return any(registry.has_method(path, name) for name in ("list_models", "describe_model"))
    except registry.UnknownAdapter:
        return False


def has_workflows(provider: Provider) -> bool:
    """Return whether a provider's models are workflows that an administrator uploads."""
    try:
        return registry.describe(adapters.adapter_path(provider)).has_workflows
    except registry.UnknownAdapter:
        return False


def list_models(provider: Provider, *, search: str, page: str) -> ModelPage | None:
    """Return a page of the models that a provider's server names; None if its adapter cannot ask.

    :raises ProviderNotConfigured: if the provider cannot be called.
    :raises ProviderError: if the server cannot be asked now, or refuses to tell.
    """
    http = adapters.http_client(read_seconds=ASK_SECONDS)
    adapter = adapters.build_adapter(provider, http=http)
    # Optional, both: some have a list that can be searched, others name all that they have.
    listing, ask = getattr(adapter, "list_models", None), getattr(adapter, "describe_model", None)
    if listing is None and ask is None:
        return None

    async def found() -> ModelPage:
        if listing is not None:
            told: ModelPage = await listing(search=search, page=page)
            return told
        description: ModelDescription = await ask("")  # type: ignore[misc]  # one of them is there
        return page_of(description.models, search=search, page=page)

    return _run(found(), http)


def describe_model(image_model: ImageModel) -> ModelDescription | None:
    """Return what the server says of a model; None if its adapter cannot ask.

    :raises ProviderNotConfigured: if the provider cannot be called.
    :raises ProviderError: if the server cannot be asked now, or refuses to tell.
    """
    http = adapters.http_client(read_seconds=ASK_SECONDS)
    adapter = adapters.build_adapter(image_model.provider, http=http, image_model=image_model)
    # Optional: most providers do not describe their models.
    ask = getattr(adapter, "describe_model", None)
    if ask is None:
        return None

    async def describe() -> ModelDescription:
        description: ModelDescription = await ask(image_model.provider_model_name)
        return description

    return _run(describe(), http)


def _run(asking: Coroutine[Any, Any, _Told], http: HttpClient) -> _Told:
    """Wait for what a server tells, within `ASK_SECONDS`.

    :raises ProviderTimeout: if it does not tell in time.
    """

    async def ask() -> _Told:
        async with http, asyncio.timeout(ASK_SECONDS):
            return await asking

    try:
        return asyncio.run(ask())
    except TimeoutError:
        raise ProviderTimeout(detail="the server did not answer in time") from None
