"""Calls of the adapter of Black Forest Labs to a server that answers what it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from imagegen_app.core.types import (
    GenerationRequest,
)
from imagegen_app.providers import registry
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import HttpClient
from tests.providers.samples import (
    a_request,
    answering,
    http_answer,
    raw_server,
)

TASK = {"id": "task-1", "polling_url": "https://api.eu4.bfl.ai/v1/get_result?id=task-1", "cost": 4}
SMALL = (256, 192)
Use = Callable[[Any], Any]


def replied(document: object, status: str = "200 OK", *headers: str) -> bytes:
    return http_answer(json.dumps(document).encode(), status=status, headers=headers)


def talked(use: Use, credential: Credential, *answers: bytes) -> tuple[Any, list[bytes]]:
    """Let `use` talk to a server that gives the answers; return its result, and what was sent."""

    async def run() -> tuple[Any, list[bytes]]:
        async with raw_server(answering(*answers)) as server:
            async with HttpClient(trusted_origins=frozenset({server.url})) as http:
                provider = registry.build(
                    "bfl", base_url=server.url, credential=credential, http=http
                )
                result = await use(provider)
            return result, server.requests

    return asyncio.run(run())


def of(model: str, **changes: Any) -> GenerationRequest:
    return a_request(model=model, prompt="a mug", **changes)
