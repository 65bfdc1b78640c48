"""Ask a provider which marks of its own it finds in a file, where its account allows that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from imagegen_app.core import data_handling
from imagegen_app.core.errors import ProviderTimeout
from imagegen_app.providers import registry
from imagegen_app.services.gateways import adapters, provider_facts

if TYPE_CHECKING:
    from imagegen_app.core.checked_marks import CheckedMark
    from imagegen_app.models import ImageModel, Provider

#: A person waits for it.
ASK_SECONDS = 30.0
#: The option of an account that allows the check: the files are sent to the provider once more.
OPTION = "provenance_checks"


def is_allowed(provider: Provider) -> bool:
    """Return whether a provider's adapter can ask, and its account allows it; nothing is sent."""
    try:
        can_ask = registry.has_method(adapters.adapter_path(provider), "check_marks")
    except registry.UnknownAdapter:
        return False
    return can_ask and provider.is_enabled and provider.options.get(OPTION) is True


def check_file(provider: Provider, data: bytes, *, media_type: str) -> tuple[CheckedMark, ...]:
    """Return which marks the provider looked for in a file, and whether it found them.

    :raises ProviderNotConfigured: if the provider cannot be called.
    :raises ProviderError: if it cannot be asked now, or its answer says nothing.
    """
    http = adapters.http_client(read_seconds=ASK_SECONDS)
    adapter: Any = adapters.build_adapter(provider, http=http)

    async def ask() -> tuple[CheckedMark, ...]:
        async with http, asyncio.timeout(ASK_SECONDS):
            found: tuple[CheckedMark, ...] = await adapter.check_marks(data, media_type=media_type)
            return found

    try:
        return asyncio.run(ask())
    except TimeoutError:
        raise ProviderTimeout(detail="the provider did not answer in time") from None


def declared_marks(image_model: ImageModel) -> dict[str, Any]:
    """Return which marks the provider declares to put into a model's images, and who says so.

    For a JSON column; empty where nobody has declared anything.
    """
    known = provider_facts.known_facts(image_model.provider, image_model).get("marks")
    if known is None:
        return {}
    fact, is_ours = known
    return {
        "marks": data_handling.plain(fact.value),
        "source": fact.source,
        "checked_on": fact.checked_on.isoformat(),
        "declared_by": "site" if is_ours else "adapter",
    }
