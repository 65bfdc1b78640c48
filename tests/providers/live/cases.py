"""Say what each provider is asked for, what it may cost, and make the call."""

from __future__ import annotations

import asyncio
import io
import json
import os
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

from imagegen_app.core.types import (
    Call,
    GenerationRequest,
    Operation,
    ProviderResult,
    Size,
    SubmissionStatus,
)
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import HttpClient

PREFIX = "IMAGEGEN_LIVE_"
#: Seconds for one image, in the longest queue that a test waits in.
MAX_SECONDS = 300.0
_POLL_SECONDS = 2.0
_SQUARE = Size(1024, 1024)
_UNDER_WAY = frozenset({SubmissionStatus.ACCEPTED, SubmissionStatus.RUNNING})


@dataclass(frozen=True, slots=True)
class LiveCase:
    """The cheapest image of one adapter, as its prices were in November 2026."""

    adapter: str
    model: str
    #: USD for the image; 0 for a server of one's own.
    ceiling: Decimal
    size: Size = _SQUARE
    output_format: str = "png"
    quality: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def variable(self) -> str:
        """The environment variable that holds the key, and turns the test on."""
        return PREFIX + self.adapter.upper()

    @property
    def url(self) -> str:
        """Where the API is; empty where nobody says so."""
        return self._given("URL") or registry.describe(self.adapter).base_url

    @property
    def skip_reason(self) -> str:
        """Why the image is not made; empty if it is."""
        if not os.environ.get(self.variable):
            return f"{self.variable} is not set; it costs at most {self.ceiling} USD"
        if not self.url:
            return f"{self.variable}_URL is not set, and {self.adapter} has no usual address"
        return ""

    def request(self) -> GenerationRequest:
        """Return the call; another model may be named in the environment."""
        return GenerationRequest(
            operation=Operation.GENERATE,
            model=self._given("MODEL") or self.model,
            prompt="A plain white mug on a light table, seen from the front.",
            size=self.size,
            quality=self.quality,
            output_format=self.output_format,
            parameters=dict(self.parameters),
            idempotency_key=f"live-{uuid.uuid4()}",
        )

    def options(self) -> dict[str, Any]:
        """Return the account's options, a JSON object in the environment."""
        options: dict[str, Any] = json.loads(self._given("OPTIONS") or "{}")
        return options

    def _given(self, what: str) -> str:
        return os.environ.get(f"{self.variable}_{what}", "")


def _own_server(adapter: str, model: str) -> LiveCase:
    return LiveCase(adapter, model, Decimal(0), size=Size(512, 512))


#: One for each adapter that calls somebody.
CASES = {
    case.adapter: case
    for case in (
        LiveCase("openai", "gpt-image-2.6-flare", Decimal("0.02"), quality="low"),
        LiveCase("azure_openai", "gpt-image-2.6-flare", Decimal("0.02"), quality="low"),
        LiveCase("gemini", "gemini-3.1-flash-lite-image", Decimal("0.05"), output_format="jpeg"),
        LiveCase(
            "gemini_vertex", "gemini-3.1-flash-lite-image", Decimal("0.05"), output_format="jpeg"
        ),
        LiveCase("xai", "grok-imagine-image", Decimal("0.03"), output_format="jpeg"),
        LiveCase("bfl", "flux-2-klein-4b", Decimal("0.03")),
        LiveCase("fal", "fal-ai/flux/schnell", Decimal("0.01"), size=Size(512, 512)),
        LiveCase("ideogram", "ideogram-v3", Decimal("0.10")),
        LiveCase("replicate", "black-forest-labs/flux-schnell", Decimal("0.01")),
        LiveCase("recraft", "recraftv3", Decimal("0.05")),
        LiveCase("stability", "core", Decimal("0.05")),
        LiveCase("bedrock", "stability.stable-image-core-v1:1", Decimal("0.05")),
        # LiteLLM may hand it on to somebody who charges.
        LiveCase("openai_compatible", "gpt-image-2", Decimal("0.10")),
        _own_server("stable_diffusion_cpp", "sd_xl_base_1.0"),
        _own_server("automatic1111", "sd_xl_base_1.0"),
        _own_server("comfyui", "text-to-image"),
        _own_server("generic_jobs", "generic-1"),
        _own_server("http_jobs", "in-house-1"),
    )
}


def make_image(case: LiveCase, *, folder: Path) -> tuple[ProviderResult, Image.Image]:
    """Make the image by the whole way of a call; return the answer and the decoded image."""
    result = asyncio.run(_made(case, SpooledAnswer(folder)))
    image = Image.open(io.BytesIO(result.images[0].data))
    image.load()
    return result, image


async def _made(case: LiveCase, answer: SpooledAnswer) -> ProviderResult:
    parts = urlsplit(case.url)
    credential = Credential(
        case.adapter, (f"env:{case.variable}",), frozenset({parts.hostname or ""})
    )
    # Servers of one's own may be plain ones in a private network.
    is_plain = parts.scheme == "http"
    trusted = frozenset({f"http://{parts.netloc}"}) if is_plain else frozenset[str]()
    request = case.request()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(MAX_SECONDS))
        http = await stack.enter_async_context(HttpClient(trusted_origins=trusted))
        adapter = registry.build(
            case.adapter,
            base_url=case.url,
            credential=credential,
            http=http,
            options=case.options(),
        )
        found = await adapter.submit(request, answer=answer)
        state = dict(found.state or {})
        while found.status in _UNDER_WAY:
            await asyncio.sleep(found.poll_after or _POLL_SECONDS)
            call = Call(
                found.ref,
                model=request.model,
                operation=request.operation,
                output_format=request.output_format,
                state=state,
            )
            found = await adapter.poll(call, answer=answer)
            state = state if found.state is None else dict(found.state)
        if found.status is not SubmissionStatus.ANSWERED:
            raise AssertionError(f"the call ended as {found.status.value}")
        return adapter.read_answer(answer)
