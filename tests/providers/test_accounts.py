"""An account's options and corrections are checked, reach the adapter, and count before any call."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import httpx
import pytest

from imagegen_app.core.capabilities import Capabilities, SizeRule
from imagegen_app.core.errors import UnsupportedParameter
from imagegen_app.core.model_parameters import Parameter
from imagegen_app.core.types import (
    GenerationRequest,
    Operation,
    ProviderImage,
    ProviderResult,
    RecoveryMethod,
    Size,
    Submission,
    SubmissionStatus,
)
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.base import Account
from imagegen_app.providers.credentials import Credential, Secret
from imagegen_app.providers.http import Auth, HttpClient
from imagegen_app.providers.http.headers import key_headers
from imagegen_app.providers.remote import Remote
from imagegen_app.providers.sandbox import Sandbox
from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.providers.samples import a_request, answering, http_answer, raw_server

SQUARE = {"sizes": {"allowed": ["512x512"]}}


class Signed(Auth):
    """Signs each call instead of sending its key."""

    def headers(self, secret: Secret, *, method: str, url: str, body: bytes) -> dict[str, str]:
        text = f"{method} {url} {hashlib.sha256(body).hexdigest()} {secret.reveal()}"
        return {"X-Signature": hashlib.sha256(text.encode()).hexdigest(), "X-Date": "20261127"}


class Signing(Remote):
    """A stranger's adapter: signed calls, several parts of an answer, headers of its own."""

    name: ClassVar[str] = "signing"
    recovery: ClassVar[frozenset[RecoveryMethod]] = frozenset()
    options: ClassVar[Mapping[str, Parameter]] = {"tier": Parameter("choice", choices=("a", "b"))}
    kept_headers: ClassVar[frozenset[str]] = frozenset({"x-cost", "set-cookie"})
    request_id_header: ClassVar[str] = "x-trace"

    def auth_with(self, credential: Credential) -> Auth:
        return Signed(credential)

    def capabilities(self, model: str) -> Capabilities:
        return Capabilities(
            operations=frozenset({Operation.GENERATE}), sizes=SizeRule(), max_count=4
        )

    async def submit(self, request: GenerationRequest, *, answer: SpooledAnswer) -> Submission:
        self.check(request)
        replies = [
            await self.send(
                "POST", "/draw", document={"n": n}, answer=answer, part=f"image-{n}", billable=True
            )
            for n in range(request.count)
        ]
        answer.finish({"headers": dict(replies[-1].headers)})
        return Submission(SubmissionStatus.ANSWERED, request_id=replies[-1].request_id)

    def read_answer(self, answer: SpooledAnswer) -> ProviderResult:
        parts = [part for part in answer.parts() if part.startswith("image-")]
        return ProviderResult(images=tuple(ProviderImage(answer.read(part=p)) for p in parts))


def test_a_strangers_adapter_signs_its_calls_and_keeps_several_parts(
    credential: Credential, answer: SpooledAnswer
) -> None:
    headers = ("X-Cost: 3", "X-Trace: t-1", "Set-Cookie: a=b", "X-Other: 1")

    async def run() -> tuple[Submission, list[bytes], str]:
        replies = (http_answer(b"first", headers=headers), http_answer(b"second", headers=headers))
        async with (
            raw_server(answering(*replies)) as server,
            HttpClient(trusted_origins=frozenset({server.url})) as http,
        ):
            provider = registry.build(
                f"{__name__}:Signing", base_url=server.url, credential=credential, http=http
            )
            return (
                await provider.submit(a_request(count=2), answer=answer),
                server.requests,
                server.url,
            )

    submission, requests, url = asyncio.run(run())

    (secret,) = credential.values()
    assert submission.request_id == "t-1"
    assert [answer.read(part=f"image-{n}") for n in range(2)] == [b"first", b"second"]
    kept = answer.metadata()["headers"]
    assert (kept["x-cost"], "set-cookie" in kept, "x-other" in kept) == ("3", False, False)
    for n, request in enumerate(requests):
        body = b'{"n":%d}' % n
        expected = Signed(credential).headers(secret, method="POST", url=f"{url}/draw", body=body)
        assert f"X-Signature: {expected['X-Signature']}".encode() in request
        assert secret.reveal().encode() not in request
        assert request.endswith(body)


def test_a_key_goes_along_with_a_download_only_to_its_own_host(
    credential: Credential, answer: SpooledAnswer
) -> None:
    """The first server redirects to another name, which answers on the same machine."""

    async def run() -> tuple[list[bytes], list[bytes]]:
        async with raw_server(answering(http_answer(b"picture"))) as other:
            redirect = http_answer(
                b"", status="302 Found", headers=(f"Location: {other.url}/picture",)
            )
            origins = frozenset({other.url})
            async with raw_server(answering(redirect, http_answer(b"direct"))) as own:
                async with HttpClient(trusted_origins=origins | {own.url}) as http:
                    narrow = Credential(
                        "c", credential.sources, frozenset({own.url.removeprefix("http://")})
                    )
                    for part in ("image-0", "image-1"):
                        fetching = http.download(
                            f"{own.url}/file",
                            base_url=own.url,
                            answer=answer,
                            part=part,
                            auth=Auth(narrow),
                        )
                        await asyncio.gather(fetching, return_exceptions=True)
                return own.requests, other.requests

    own, other = asyncio.run(run())

    (secret,) = credential.values()
    assert len(own) == 2
    assert all(secret.reveal().encode() in request for request in own)
    assert not any(secret.reveal().encode() in request for request in other)
    assert answer.read(part="image-1") == b"direct"
    assert key_headers(Auth(credential), httpx.URL("https://elsewhere.example/file")) == {}


def test_a_correction_of_a_models_capabilities_counts_before_any_call(
    simulator: SimulatorProcess,
    client: Callable[..., HttpClient],
    build: Callable[..., Any],
    answer: SpooledAnswer,
) -> None:
    async def run() -> None:
        async with client() as http:
            provider = build("openai", http, overrides={"gpt-image-2": SQUARE})
            await provider.submit(a_request(model="gpt-image-2"), answer=answer)

    with pytest.raises(UnsupportedParameter):
        asyncio.run(run())

    own = registry.capabilities("openai", "gpt-image-2", overrides=SQUARE)
    assert own.sizes.allowed == (Size(512, 512),)
    assert simulator.calls() == {}


@pytest.mark.parametrize("options", [{"latency": "long"}, {"latency": -1}, {"latencyy": 1}])
def test_an_option_that_the_adapter_does_not_take_is_refused(options: dict[str, Any]) -> None:
    assert registry.option_errors("sandbox", options)

    with pytest.raises(ValueError, match="the option 'latency"):
        registry.build("sandbox", options=options)


def test_an_option_without_a_value_has_its_default() -> None:
    assert Sandbox().option("latency") == 0.0
    assert Sandbox(Account(options={"latency": 0.5})).option("latency") == 0.5


def test_a_strangers_adapter_declares_itself_as_ours_do() -> None:
    found = registry.describe(f"{__name__}:Signing")

    assert (found.is_remote, found.needs_credential, set(found.options)) == (True, False, {"tier"})
