"""Webhooks that are signed by published keys: of fal and of Ideogram, from the simulator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from imagegen_app.core.errors import AuthenticationFailed, ProviderUnavailable
from imagegen_app.core.types import Size
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.families import jwks
from imagegen_app.providers.http import HttpClient
from imagegen_app.testing.simulator.published_keys import PublishedKey
from tests.providers.samples import a_request, answering, http_answer, raw_server

MODELS = {"fal": "fal-ai/flux/dev", "ideogram": "ideogram-4-5"}
OPTIONS: dict[str, dict[str, Any]] = {
    "fal": {"webhook_keys": "/.well-known/jwks.json"},
    "ideogram": {},
}
Use = Callable[[Any], Awaitable[Any]]
Talk = Callable[..., Any]


@pytest.fixture(autouse=True)
def _no_known_keys() -> Iterator[None]:
    jwks.forget()
    yield
    jwks.forget()


@pytest.fixture
def talk(client: Callable[..., HttpClient], build: Callable[..., Any]) -> Talk:
    """Run `use` with a built adapter."""

    def make(name: str, use: Use, **options: Any) -> Any:
        async def run() -> Any:
            async with client() as http:
                return await use(build(name, http, options=OPTIONS[name] | options))

        return asyncio.run(run())

    return make


async def delivered(provider: Any, answer: SpooledAnswer) -> tuple[str, dict[str, str], bytes]:
    """Return the reference of a call, and the webhook about it."""
    async with raw_server(answering(http_answer(b"{}"))) as inbox:
        request = a_request(model=MODELS[provider.name], size=Size(1024, 1024))
        request = replace(request, webhook_url=f"{inbox.url}/hook?t=token")
        ref = (await provider.submit(request, answer=answer)).ref
        for _ in range(6_000):
            if inbox.requests:
                break
            await asyncio.sleep(0.02)
        head, _, body = inbox.requests[0].partition(b"\r\n\r\n")
    lines = [line.split(": ", 1) for line in head.decode().split("\r\n")[1:]]
    return ref, dict(lines), body


@pytest.mark.parametrize(("name", "status"), [("fal", "OK"), ("ideogram", "completed")])
def test_a_webhook_names_its_call(
    talk: Talk, answer: SpooledAnswer, name: str, status: str
) -> None:
    async def use(provider: Any) -> Any:
        ref, headers, body = await delivered(provider, answer)
        return ref, await provider.verify_webhook(headers, body)

    ref, notice = talk(name, use, webhook_user=PublishedKey.user)

    assert (notice.ref, notice.delivery_id, notice.status) == (ref, ref, status)


@pytest.mark.parametrize("name", MODELS)
def test_a_webhook_for_another_account_is_refused(
    talk: Talk, answer: SpooledAnswer, name: str
) -> None:
    """Any customer of the provider can have genuine webhooks sent to us."""

    async def use(provider: Any) -> None:
        _, headers, body = await delivered(provider, answer)
        with pytest.raises(AuthenticationFailed):
            await provider.verify_webhook(headers, body)

    talk(name, use, webhook_user="ours")


@pytest.mark.parametrize(
    ("name", "prefix", "header", "field"),
    [
        ("fal", "x-fal-webhook", "request-id", "request_id"),
        ("ideogram", "x-ideogram-webhook", "generation-id", "generation_id"),
    ],
)
def test_headers_and_body_must_name_the_same_call(
    credential: Credential, name: str, prefix: str, header: str, field: str
) -> None:
    key = PublishedKey()
    body = json.dumps({field: "call-1"}).encode()

    async def run() -> None:
        async with (
            raw_server(answering(http_answer(json.dumps(key.document()).encode()))) as server,
            HttpClient(trusted_origins=frozenset({server.url})) as http,
        ):
            provider = registry.build(
                name,
                base_url=server.url,
                credential=credential,
                http=http,
                options=OPTIONS[name],
            )
            headers = [
                key.headers(prefix, call=call, call_header=header, body=body)
                for call in ("call-1", "call-2")
            ]
            assert (await provider.verify_webhook(headers[0], body)).ref == "call-1"
            with pytest.raises(AuthenticationFailed):
                await provider.verify_webhook(headers[1], body)

    asyncio.run(run())


def test_a_webhook_is_not_refused_while_the_keys_cannot_be_read(
    talk: Talk, answer: SpooledAnswer
) -> None:
    async def use(provider: Any) -> None:
        _, headers, body = await delivered(provider, answer)
        with pytest.raises(ProviderUnavailable):
            await provider.verify_webhook(headers, body)

    talk("fal", use, webhook_keys="/no-such-keys")


@pytest.mark.parametrize(
    ("address", "is_allowed"),
    [
        ("/.well-known/jwks.json", True),
        ("https://rest.fal.ai/.well-known/jwks.json", True),
        ("https://queue.fal.run/keys", True),
        ("https://rest.fal.ai:8443/keys", False),
        ("http://rest.fal.ai/keys", False),
        ("HTTPS://rest.fal.ai/keys", False),
        ("https://rest.fal.ai.evil.example/keys", False),
        ("https://rest.fal.ai@evil.example/keys", False),
        ("https://evil.example/.well-known/jwks.json", False),
        ("https://127.0.0.1/keys", False),
        # Put behind the base URL, these would be other hosts.
        (".evil.example/keys", False),
        ("@evil.example/keys", False),
        ("", False),
    ],
)
def test_the_keys_of_webhooks_are_the_provider_s_own(address: str, is_allowed: bool) -> None:
    errors = registry.option_errors("fal", {"webhook_keys": address})

    assert (errors == {}) is is_allowed
    if not is_allowed:
        assert "queue.fal.run, rest.fal.ai" in str(errors["webhook_keys"])
