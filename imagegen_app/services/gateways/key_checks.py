"""Ask a provider whether its key is valid: free of charge, and within seconds."""

from __future__ import annotations

import asyncio
import logging
from enum import StrEnum
from typing import TYPE_CHECKING

from imagegen_app.core.errors import AuthenticationFailed, ProviderError
from imagegen_app.services.gateways import adapters

if TYPE_CHECKING:
    from imagegen_app.models import Provider

logger = logging.getLogger("imagegen.credentials")

#: A person waits for it.
CHECK_SECONDS = 10.0


class KeyState(StrEnum):
    """What a provider says about a key."""

    VALID = "valid"
    REFUSED = "refused"
    #: The provider has no call for it, or its adapter knows none.
    UNCHECKED = "unchecked"
    #: The provider could not be asked now, or answered something else.
    UNKNOWN = "unknown"


def check_key(provider: Provider) -> KeyState:
    """Return what a provider says about its key; nothing is billed.

    :raises ProviderNotConfigured: if the provider cannot be called at all.
    """
    http = adapters.http_client(read_seconds=CHECK_SECONDS)
    # Optional: adapters of others may not have it.
    check = getattr(adapters.build_adapter(provider, http=http), "check_key", None)
    if check is None or not provider.credential:
        return KeyState.UNCHECKED

    async def ask() -> bool:
        async with http, asyncio.timeout(CHECK_SECONDS):
            return bool(await check())

    try:
        return KeyState.VALID if asyncio.run(ask()) else KeyState.UNCHECKED
    except AuthenticationFailed:
        return KeyState.REFUSED
    except (ProviderError, TimeoutError):
        return KeyState.UNKNOWN
    except Exception as error:  # noqa: BLE001 - an adapter of the site's own may raise anything
        # Not its text, which may hold a key.
        logger.warning("The key check of %s failed: %s.", provider.slug, type(error).__name__)
        return KeyState.UNKNOWN
