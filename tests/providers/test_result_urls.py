"""Results that come as URLs: what is gone or fails is left out, and the others are kept."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from imagegen_app.core.errors import ProviderUnavailable
from imagegen_app.core.types import Call
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.families import results
from imagegen_app.providers.http import HttpClient
from tests.providers.samples import a_request, http_answer, raw_server

if TYPE_CHECKING:
    from imagegen_app.core.types import ProviderResult

PICTURES = [b"\x89PNG 0", b"\x89PNG 1", b"\x89PNG 2", b"\x89PNG 3"]


class FileServer:
    """An API whose answers hold URLs; `replies` says what each URL gives, in turn."""

    def __init__(self, **replies: list[str]) -> None:
        self.replies = replies
        self.url = ""
        #: The names of files that were asked for with the key.
        self.with_key: set[str] = set()

    async def __call__(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        path = request.split(b" ", 2)[1].decode()
        name = path.rpartition("/")[2]
        if not name.startswith("p"):
            items = [{"url": f"{self.url}/files/p{n}"} for n in range(4)]
            job = {"id": "j1", "status": "succeeded", "output": items}
            writer.write(http_answer(json.dumps({"data": items, **job}).encode()))
            return
        if b"\r\nauthorization: bearer sk-canary" in request.lower():
            self.with_key.add(name)
        left = self.replies.get(name, ["200 OK"])
        status = left.pop(0) if len(left) > 1 else left[0]
        writer.write(http_answer(PICTURES[int(name[1:])], status=status))


def fetched(
    answer: SpooledAnswer, credential: Credential, server: FileServer, *, adapter: str, polls: int
) -> ProviderResult:
    """Submit to an API whose images are URLs, poll where it has jobs, and read the answer."""

    async def run() -> Any:
        async with raw_server(server) as running:
            server.url = running.url
            async with HttpClient(trusted_origins=frozenset({running.url})) as http:
                provider = registry.build(
                    adapter, base_url=running.url, credential=credential, http=http
                )
                if adapter == "openai":
                    await provider.submit(a_request(count=4), answer=answer)
                    return provider.read_answer(answer)
                for n in range(polls):
                    try:
                        await provider.poll(Call("j1"), answer=answer)
                    except ProviderUnavailable:
                        assert n < polls - 1
                return provider.read_answer(answer)

    result: ProviderResult = asyncio.run(run())
    return result


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetch again without a delay."""
    monkeypatch.setattr(results, "FETCH_AGAIN_SECONDS", (0.0, 0.0))


@pytest.mark.parametrize("adapter", ["openai", "generic_jobs"])
def test_urls_are_fetched_whatever_the_family(
    answer: SpooledAnswer, credential: Credential, adapter: str
) -> None:
    result = fetched(answer, credential, FileServer(), adapter=adapter, polls=1)

    assert [image.data for image in result.images] == PICTURES


def test_the_key_goes_along_to_results_at_the_providers_own_host(
    answer: SpooledAnswer, credential: Credential
) -> None:
    server = FileServer()

    fetched(answer, credential, server, adapter="generic_jobs", polls=1)

    assert server.with_key == {"p0", "p1", "p2", "p3"}


@pytest.mark.parametrize("adapter", ["openai", "generic_jobs"])
def test_a_url_that_is_gone_leaves_the_others(
    answer: SpooledAnswer, credential: Credential, adapter: str
) -> None:
    server = FileServer(p2=["404 Not Found"])

    result = fetched(answer, credential, server, adapter=adapter, polls=1)

    assert [image.data for image in result.images] == [PICTURES[0], PICTURES[1], PICTURES[3]]
    assert (result.unusable, result.usage.images) == (("result gone",), 4)


@pytest.mark.parametrize(("adapter", "polls"), [("openai", 1), ("generic_jobs", 2)])
def test_a_url_that_fails_once_is_fetched_again(
    answer: SpooledAnswer, credential: Credential, adapter: str, polls: int
) -> None:
    server = FileServer(p1=["503 Service Unavailable", "200 OK"])

    result = fetched(answer, credential, server, adapter=adapter, polls=polls)

    assert [image.data for image in result.images] == PICTURES


@pytest.mark.parametrize(
    ("adapter", "polls"), [("openai", 1), ("generic_jobs", results.MAX_FETCH_ROUNDS + 1)]
)
def test_a_url_that_fails_again_and_again_is_left_out(
    answer: SpooledAnswer, credential: Credential, adapter: str, polls: int
) -> None:
    server = FileServer(p0=["503 Service Unavailable"])

    result = fetched(answer, credential, server, adapter=adapter, polls=polls)

    assert [image.data for image in result.images] == PICTURES[1:]
    assert result.unusable == ("result not served just now",)


def test_results_that_all_fail_are_polled_until_the_deadline(
    answer: SpooledAnswer, credential: Credential
) -> None:
    server = FileServer(**{f"p{n}": ["503 Service Unavailable"] for n in range(4)})

    with pytest.raises(AssertionError):
        fetched(answer, credential, server, adapter="generic_jobs", polls=30)
    assert not answer.is_complete
