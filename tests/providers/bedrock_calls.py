"""Calls of the adapter of Amazon Bedrock to the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from imagegen_app.core.types import GenerationRequest, InputRole, Operation, Size
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import HttpClient, HttpLimits
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.providers.conftest import KEY
from tests.providers.samples import a_mask, a_request, an_input

CORE, ULTRA = "stability.stable-image-core-v1:1", "stability.stable-image-ultra-v1:1"
SD3 = "stability.sd3-5-large-v1:0"
REQUEST = a_request(model=CORE, seed=7)
PICTURE = an_input(size=(256, 256))
STYLE = replace(PICTURE, role=InputRole.STYLE)
CONTROL = replace(PICTURE, role=InputRole.CONTROL)
MASK = a_mask((0, 0, 64, 64), size=(256, 256))
SIGNED = {"region": "us-west-2"}
Use = Callable[[Any], Awaitable[Any]]
Talk = Callable[..., Any]


def talking(provider: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> Talk:
    """Return how to run `use` with an adapter at the simulator; its credential is a pair of keys."""

    def make(use: Use, *texts: str, options: Any = None) -> Any:
        for n, text in enumerate(texts or (f"AKIACANARY0000000001:{KEY}",)):
            monkeypatch.setenv(f"TEST_AWS_{n}", text)
        sources = tuple(f"env:TEST_AWS_{n}" for n in range(len(texts) or 1))
        credential = Credential("aws", sources, frozenset({"127.0.0.1"}))

        async def run() -> Any:
            async with HttpClient(
                trusted_origins=frozenset({provider.base_url}),
                limits=HttpLimits(connect=60, read=60, total=120),
            ) as http:
                return await use(
                    registry.build(
                        "bedrock",
                        base_url=provider.base_url,
                        credential=credential,
                        http=http,
                        options={**SIGNED, **(options or {})},
                    )
                )

        return asyncio.run(run())

    return make


def made(
    talk: Talk, request: GenerationRequest, answer: SpooledAnswer, *keys: str, **more: Any
) -> Any:
    async def use(adapter: Any) -> Any:
        await adapter.submit(request, answer=answer)
        return adapter.read_answer(answer)

    return talk(use, *keys, **more)


def altered(operation: Operation, name: str, *inputs: Any, **changes: Any) -> GenerationRequest:
    """Return a request to a service, by its inference profile."""
    values = {
        "operation": operation,
        "model": name if name.startswith("stability.") else f"us.stability.stable-{name}-v1:0",
        "inputs": inputs,
        "size": Size(256, 256),
        "seed": None,
    }
    return replace(REQUEST, **{**values, **changes})
