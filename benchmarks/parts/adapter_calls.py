"""Make calls by an adapter of ours, an official client or plain httpx; print the CPU that a call cost.

Usage: python -m benchmarks.parts.adapter_calls FAMILY ours|client|async|plain URL CALLS

Each prints one JSON object: `ms`, the CPU milliseconds of a call in this process, all threads counted,
and `sha256` of the image that the last one got. A call goes from its arguments to the image's bytes in
memory. None keeps a connection for calls that are answered at once: ours may not, so the others are told
not to. For jobs the official clients keep theirs, as they come; ours keeps those of its polls.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json
import os
import ssl
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from imagegen_app.core.types import Call, GenerationRequest, Operation, Size
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import HttpClient
from imagegen_app.testing.contract.samples import sample_image
from imagegen_app.testing.simulator.protocols import load
from imagegen_app.testing.simulator.server import DEFAULT_KEY

#: Calls before the measured ones: modules are loaded, and models' schemas are kept.
WARM = 5
#: Jobs have surely ended after so many seconds; nobody polls before.
JOB_SECONDS = 0.03
_KEY = "BENCHMARK_KEY"
_PROMPT = "a mug on a wooden table"
#: By family: adapter, model, operation and options.
FAMILIES: dict[str, tuple[str, str, Operation, dict[str, Any]]] = {
    "openai": ("openai", "gpt-image-2.6-flare", Operation.GENERATE, {}),
    "openai_edit": ("openai", "gpt-image-2.6-flare", Operation.EDIT, {}),
    "gemini": ("gemini", "gemini-nano-banana-2.1", Operation.GENERATE, {}),
    "replicate": (
        "replicate",
        "black-forest-labs/flux-2-pro",
        Operation.GENERATE,
        {"result_hosts": ["127.0.0.1"]},
    ),
    "fal": ("fal", "fal-ai/flux/dev", Operation.GENERATE, {}),
    "stability": ("stability", "core", Operation.GENERATE, {}),
}
#: Calls that become jobs.
JOBS = frozenset({"replicate", "fal"})
_SIZE = Size(1024, 1024)
#: No connection is used twice.
_FRESH = httpx.Limits(max_keepalive_connections=0)
_GENAI_CONFIG: Any = {
    "response_modalities": ["IMAGE"],
    "image_config": {"aspect_ratio": "1:1", "image_size": "1K"},
}
Make = Callable[[], bytes]
Work = Callable[[], Awaitable[bytes]]


def ours(family: str, url: str) -> Make:
    """Return a call by our adapter, built anew for each call as the worker does, over one client."""
    adapter, model, operation, options = FAMILIES[family]
    os.environ[_KEY] = DEFAULT_KEY
    credential = Credential("benchmark", (f"env:{_KEY}",), frozenset({"127.0.0.1"}))
    # Nothing here speaks TLS, and reading the certificates is done once a process.
    http = HttpClient(
        trusted_origins=frozenset({url}), ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    )
    base = url + load(adapter).base_path
    folder = Path(tempfile.mkdtemp(prefix="imagegen-benchmark-"))
    numbers = itertools.count()
    loop = asyncio.new_event_loop()
    request = GenerationRequest(
        operation=operation,
        model=model,
        prompt=_PROMPT,
        size=_SIZE,
        output_format="jpeg" if family == "gemini" else "png",
        inputs=(sample_image(_SIZE),) if operation is Operation.EDIT else (),
    )

    async def call() -> bytes:
        number = next(numbers)
        answer = SpooledAnswer(folder / f"answer-{number}")
        built = registry.build(
            adapter, base_url=base, credential=credential, http=http, options=options
        )
        asked = replace(request, idempotency_key=f"call-{number}")
        submission = await built.submit(asked, answer=answer)
        if family in JOBS:
            await asyncio.sleep(JOB_SECONDS)
            job = Call(
                submission.ref, model=model, operation=operation, state=submission.state or {}
            )
            submission = await built.poll(job, answer=answer)
        return built.read_answer(answer).images[0].data

    return lambda: loop.run_until_complete(call())


def client(family: str, url: str) -> Make:
    """Return a call by the provider's official client, as most use it: it blocks its thread."""
    makers = {
        "openai": _openai,
        "openai_edit": _openai,
        "gemini": _genai,
        "replicate": _replicate,
        "fal": _fal,
    }
    return makers[family](family, url)


def async_client(family: str, url: str) -> Make:
    """Return a call by the official client for event loops, which waits as ours does."""
    makers = {
        "openai": _async_openai,
        "openai_edit": _async_openai,
        "gemini": _async_genai,
        "replicate": _async_replicate,
        "fal": _async_fal,
    }
    work, loop = makers[family](family, url), asyncio.new_event_loop()
    return lambda: loop.run_until_complete(_awaited(work))


async def _awaited(work: Work) -> bytes:
    return await work()


def _openai(family: str, url: str) -> Make:
    import openai  # noqa: PLC0415 - only one of the clients is loaded

    http = openai.DefaultHttpxClient(limits=_FRESH, trust_env=False)  # type: ignore[arg-type]  # httpx2's are alike
    api = openai.OpenAI(api_key=DEFAULT_KEY, base_url=f"{url}/v1", max_retries=0, http_client=http)
    model = FAMILIES[family][1]
    image = sample_image(_SIZE).data

    def call() -> bytes:
        options: dict[str, Any] = {"model": model, "prompt": _PROMPT, "size": "1024x1024"}
        if family == "openai_edit":
            file = ("image.png", image, "image/png")
            answer: Any = api.images.edit(image=file, **options)
        else:
            answer = api.images.generate(**options)
        return base64.b64decode(answer.data[0].b64_json)

    return call


def _async_openai(family: str, url: str) -> Work:
    import openai  # noqa: PLC0415 - as above

    http = openai.DefaultAsyncHttpxClient(limits=_FRESH, trust_env=False)  # type: ignore[arg-type]  # as above
    api = openai.AsyncOpenAI(
        api_key=DEFAULT_KEY, base_url=f"{url}/v1", max_retries=0, http_client=http
    )
    model = FAMILIES[family][1]
    image = sample_image(_SIZE).data

    async def call() -> bytes:
        options: dict[str, Any] = {"model": model, "prompt": _PROMPT, "size": "1024x1024"}
        if family == "openai_edit":
            file = ("image.png", image, "image/png")
            answer: Any = await api.images.edit(image=file, **options)
        else:
            answer = await api.images.generate(**options)
        return base64.b64decode(answer.data[0].b64_json)

    return call


def _genai(family: str, url: str) -> Make:
    from google import genai  # noqa: PLC0415 - as above
    from google.genai import types  # noqa: PLC0415 - as above

    options = types.HttpOptions(
        base_url=f"{url}/gemini",
        api_version="v1",
        client_args={"limits": _FRESH, "trust_env": False},
    )
    api = genai.Client(api_key=DEFAULT_KEY, http_options=options)

    def call() -> bytes:
        return _last_image(
            api.models.generate_content(
                model=FAMILIES[family][1], contents=_PROMPT, config=_GENAI_CONFIG
            )
        )

    return call


def _async_genai(family: str, url: str) -> Work:
    from google import genai  # noqa: PLC0415 - as above
    from google.genai import types  # noqa: PLC0415 - as above

    options = types.HttpOptions(
        base_url=f"{url}/gemini",
        api_version="v1",
        # Else it takes aiohttp where that is installed.
        httpx_async_client=httpx.AsyncClient(limits=_FRESH, trust_env=False),
    )
    api = genai.Client(api_key=DEFAULT_KEY, http_options=options)

    async def call() -> bytes:
        return _last_image(
            await api.aio.models.generate_content(
                model=FAMILIES[family][1], contents=_PROMPT, config=_GENAI_CONFIG
            )
        )

    return call


def _last_image(answer: Any) -> bytes:
    parts = answer.candidates[0].content.parts
    return bytes([p for p in parts if p.inline_data and not p.thought][-1].inline_data.data)


def _replicate(family: str, url: str) -> Make:
    from replicate.client import Client  # noqa: PLC0415 - as above
    from replicate.helpers import FileOutput  # noqa: PLC0415 - as above

    api = Client(api_token=DEFAULT_KEY, base_url=f"{url}", limits=_FRESH, trust_env=False)

    def call() -> bytes:
        made = api.predictions.create(
            model=FAMILIES[family][1], input={"prompt": _PROMPT, "aspect_ratio": "1:1"}
        )
        time.sleep(JOB_SECONDS)
        made.reload()
        output: Any = made.output
        address = output[0] if isinstance(output, list) else output
        return FileOutput(address, api).read()

    return call


def _async_replicate(family: str, url: str) -> Work:
    from replicate.client import Client  # noqa: PLC0415 - as above
    from replicate.helpers import FileOutput  # noqa: PLC0415 - as above

    api = Client(api_token=DEFAULT_KEY, base_url=url, limits=_FRESH, trust_env=False)

    async def call() -> bytes:
        made = await api.predictions.async_create(
            model=FAMILIES[family][1], input={"prompt": _PROMPT, "aspect_ratio": "1:1"}
        )
        await asyncio.sleep(JOB_SECONDS)
        await made.async_reload()
        output: Any = made.output
        address = output[0] if isinstance(output, list) else output
        return await FileOutput(address, api).aread()

    return call


def _fal(family: str, url: str) -> Make:
    import fal_client  # noqa: PLC0415 - as above

    # It takes no base URL.
    fal_client.client.QUEUE_URL_FORMAT = f"{url}/"
    api = fal_client.SyncClient(key=DEFAULT_KEY)
    size = {"width": _SIZE.width, "height": _SIZE.height}

    def call() -> bytes:
        handle = api.submit(FAMILIES[family][1], arguments={"prompt": _PROMPT, "image_size": size})
        time.sleep(JOB_SECONDS)
        result: Any = handle.get()
        return api._client.get(result["images"][0]["url"]).content  # noqa: SLF001 - for a fair, kept connection

    return call


def _async_fal(family: str, url: str) -> Work:
    import fal_client  # noqa: PLC0415 - as above

    fal_client.client.QUEUE_URL_FORMAT = f"{url}/"
    api = fal_client.AsyncClient(key=DEFAULT_KEY)
    size = {"width": _SIZE.width, "height": _SIZE.height}

    async def call() -> bytes:
        handle = await api.submit(
            FAMILIES[family][1], arguments={"prompt": _PROMPT, "image_size": size}
        )
        await asyncio.sleep(JOB_SECONDS)
        result: Any = await handle.get()
        http = await api._client  # noqa: SLF001 - as above
        return (await http.get(result["images"][0]["url"])).content

    return call


def plain(family: str, url: str) -> Make:
    """Return a call by httpx, json and base64: what no client on top of httpx can cost less than."""
    http = httpx.Client(limits=_FRESH, trust_env=False)
    bearer = {"Authorization": f"Bearer {DEFAULT_KEY}"}
    model = FAMILIES[family][1]
    image = sample_image(_SIZE).data

    def openai() -> bytes:
        fields = {"model": model, "prompt": _PROMPT, "size": "1024x1024"}
        answer = http.post(f"{url}/v1/images/generations", headers=bearer, json=fields)
        return base64.b64decode(answer.json()["data"][0]["b64_json"])

    def openai_edit() -> bytes:
        fields = {"model": model, "prompt": _PROMPT, "size": "1024x1024"}
        files = {"image": ("image.png", image, "image/png")}
        answer = http.post(f"{url}/v1/images/edits", headers=bearer, data=fields, files=files)
        return base64.b64decode(answer.json()["data"][0]["b64_json"])

    def gemini() -> bytes:
        body = {
            "contents": [{"role": "user", "parts": [{"text": _PROMPT}]}],
            "generationConfig": {
                "responseModalities": ["IMAGE"],
                "imageConfig": {"aspectRatio": "1:1", "imageSize": "1K"},
            },
        }
        key = {"x-goog-api-key": DEFAULT_KEY}
        address = f"{url}/gemini/v1/models/{model}:generateContent"
        answer = http.post(address, headers=key, json=body)
        parts = answer.json()["candidates"][0]["content"]["parts"]
        return base64.b64decode([p for p in parts if "inlineData" in p][-1]["inlineData"]["data"])

    def stability() -> bytes:
        fields = {"prompt": _PROMPT, "aspect_ratio": "1:1", "output_format": "png"}
        answer = http.post(
            f"{url}/v2beta/stable-image/generate/core",
            headers={**bearer, "Accept": "application/json"},
            files={name: (None, value) for name, value in fields.items()},
        )
        return base64.b64decode(answer.json()["image"])

    return {
        "openai": openai,
        "openai_edit": openai_edit,
        "gemini": gemini,
        "stability": stability,
    }[family]


def main() -> None:
    """Measure one of them."""
    family, system, url, calls = sys.argv[1:]
    systems = {"ours": ours, "client": client, "async": async_client, "plain": plain}
    make = systems[system](family, url)
    data = b""
    for _ in range(WARM):
        data = make()
    before = time.process_time()
    for _ in range(int(calls)):
        data = make()
    spent = (time.process_time() - before) / int(calls) * 1000
    print(json.dumps({"ms": spent, "sha256": hashlib.sha256(data).hexdigest()}))


if __name__ == "__main__":
    main()
