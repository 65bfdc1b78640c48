"""No URL, name, redirect or record leads the client to an inner address: counted by a listener."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from imagegen_app.core.errors import BadResponse, ProviderError
from imagegen_app.core.types import Call, Operation
from imagegen_app.providers import registry
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.families import jwks, results
from imagegen_app.providers.http import HttpClient, HttpLimits
from tests.providers.samples import a_request, answering, http_answer, raw_server

NAMES = {
    "inner.test": ["127.0.0.1"],
    "metadata.google.internal": ["169.254.169.254"],
    "mixed.test": ["93.184.216.34", "127.0.0.1"],
    "mixed-first.test": ["127.0.0.1", "93.184.216.34"],
    "six.test": ["::1"],
    "mapped.test": ["::ffff:127.0.0.1"],
    "nat64.test": ["64:ff9b::7f00:1"],
    "sixtofour.test": ["2002:7f00:1::"],
    "ula.test": ["fd00:ec2::254"],
    "link.test": ["fe80::1%lo"],
    "cgnat.test": ["100.64.0.1"],
    "many.test": [f"93.184.216.{n}" for n in range(200)],
    "none.test": [],
    "odd.test": ["not an address"],
    "localtest.me": ["127.0.0.1"],
}


async def fake_resolver(host: str, port: int) -> list[str]:
    """Answer by the table, then as the C library does for numbers written oddly."""
    host = host.rstrip(".").lower()
    if host in NAMES:
        return NAMES[host]
    if host == "localhost" or host.endswith(".localhost"):
        return ["127.0.0.1", "::1"]
    if ":" in host:
        return [host]
    try:
        return [socket.inet_ntoa(socket.inet_aton(host))]
    except OSError:
        raise socket.gaierror(socket.EAI_NONAME, "unknown") from None


#: `{port}` is the listener's; each form is tried as an API's address and as a result's.
FORMS = [
    "https://127.0.0.1:{port}/",
    "https://127.1:{port}/",
    "https://127.0.1:{port}/",
    "https://2130706433:{port}/",
    "https://0x7f000001:{port}/",
    "https://0x7f.0.0.1:{port}/",
    "https://0177.0.0.1:{port}/",
    "https://017700000001:{port}/",
    "https://0177.0x0.0.1:{port}/",
    "https://0:{port}/",
    "https://0.0.0.0:{port}/",
    "https://127.0.0.1.:{port}/",
    "https://127.255.255.254:{port}/",
    "https://localhost:{port}/",
    "https://LOCALHOST:{port}/",
    "https://localhost.:{port}/",
    "https://a.localhost:{port}/",
    "https://localtest.me:{port}/",
    "https://inner.test:{port}/",
    "https://INNER.TEST:{port}/",
    "https://metadata.google.internal/",
    "https://mixed.test:{port}/",
    "https://mixed-first.test:{port}/",
    "https://six.test:{port}/",
    "https://mapped.test:{port}/",
    "https://nat64.test:{port}/",
    "https://sixtofour.test:{port}/",
    "https://ula.test:{port}/",
    "https://link.test:{port}/",
    "https://cgnat.test:{port}/",
    "https://many.test:{port}/",
    "https://none.test:{port}/",
    "https://odd.test:{port}/",
    "https://unknown.test:{port}/",
    "https://[::1]:{port}/",
    "https://[::]:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/",
    "https://[::ffff:7f00:1]:{port}/",
    "https://[::127.0.0.1]:{port}/",
    "https://[64:ff9b::7f00:1]:{port}/",
    "https://[64:ff9b:1::7f00:1]:{port}/",
    "https://[2002:7f00:1::]:{port}/",
    "https://[fe80::1%25lo]:{port}/",
    "https://[fec0::1]:{port}/",
    "https://[fd00:ec2::254]:{port}/",
    "https://169.254.169.254:{port}/latest/meta-data",
    "https://169.254.170.2:{port}/",
    "https://100.100.100.200:{port}/",
    "https://168.63.129.16:{port}/",
    "https://192.0.0.192:{port}/",
    "https://10.0.0.1:{port}/",
    "https://172.16.0.1:{port}/",
    "https://192.168.0.1:{port}/",
    "https://198.18.0.1:{port}/",
    "https://224.0.0.1:{port}/",
    "https://255.255.255.255:{port}/",
    "https://１２７.０.０.１:{port}/",  # noqa: RUF001  (fullwidth on purpose)
    "https://①②⑦.⓪.⓪.①:{port}/",
    "https://127。0。0。1:{port}/",
    "https://127．0．0．1:{port}/",  # noqa: RUF001  (fullwidth on purpose)
    "https://ⓛocalhost:{port}/",
    "https://127.0.0.1%00.example.com:{port}/",
    "https://user@127.0.0.1:{port}/",
    "https://example.com@127.0.0.1:{port}/",
    "https://example.com:80@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}#@example.com/",
    "https://127.0.0.1:{port}\\@example.com/",
    "https://127.0.0.1:{port}/\r\nX: y",
    " https://127.0.0.1:{port}/",
    "https://127.0.0.1:{port}/ x",
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://inner.test:{port}/",
    "//127.0.0.1:{port}/",
    "https:/127.0.0.1:{port}/",
    "https:127.0.0.1:{port}/",
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_",
    "dict://127.0.0.1:{port}/",
    "data:image/png;base64,AAAA",
    "jar:https://127.0.0.1:{port}/!/",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "ws://127.0.0.1:{port}/",
    "https://127.0.0.1:0/",
    "https://127.0.0.1:99999/",
    "https://127.0.0.1:-1/",
    "https://127.0.0.1:x/",
    "https://",
    "https:///",
    "",
    "127.0.0.1:{port}",
    "https://" + "a" * 5000,
    "https://inner.test:22/",
    "https://inner.test:6379/",
    "https://\x00/",
]
OUTSIDE = "https://api.example.com/v1"
BFL = Credential(name="bfl", sources=("env:SSRF_KEY",), hosts=frozenset({"api.bfl.ai"}))


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSRF_KEY", "key-0123456789abcdef")


def test_there_are_at_least_sixty_forms() -> None:
    assert len(set(FORMS)) >= 60


def test_no_form_of_url_reaches_the_listener(tmp_path: Path) -> None:
    """Refused by an error of ours each time, and not one connection is made."""
    escaped: list[str] = []

    async def attack() -> int:
        limits = HttpLimits(connect=0.5, read=1, total=3, download_total=3)
        async with (
            raw_server(answering(http_answer(b"{}"))) as listener,
            HttpClient(resolver=fake_resolver, limits=limits) as http,
        ):
            for n, form in enumerate(FORMS):
                url = form.replace("{port}", str(listener.port))
                for method in ("GET", "POST"):
                    try:
                        await http.send(method, url, billable=method == "POST")
                        escaped.append(f"{method} {form}")
                    except ProviderError as error:
                        assert "127" not in str(error) + error.detail  # noqa: PT017
                try:
                    async with http.websocket(url):
                        escaped.append(f"websocket {form}")
                except ProviderError:
                    pass
                try:
                    await http.download(
                        url,
                        base_url=OUTSIDE,
                        answer=SpooledAnswer(tmp_path / str(n)),
                        part="image-0",
                    )
                    escaped.append(f"download {form}")
                except ProviderError:
                    pass
            return listener.connections

    connections = asyncio.run(attack())

    assert escaped == []
    assert connections == 0


def test_no_form_of_url_is_reached_as_a_set_of_webhook_keys() -> None:
    """Whatever the options of an account let through."""
    headers = {
        "x-fal-webhook-request-id": "r1",
        "x-fal-webhook-user-id": "u1",
        "x-fal-webhook-timestamp": str(int(time.time())),
        "x-fal-webhook-signature": "00" * 64,
    }

    async def deliver(http: HttpClient, url: str, folder: Path) -> None:
        jwks.forget()
        names, now = jwks.Signed(*headers), time.time()
        await jwks.verify_delivery(headers, body=b"{}", names=names, url=url, http=http, now=now)

    assert attacked(deliver) == ([], 0)


def test_no_form_of_url_is_reached_as_a_place_to_poll(tmp_path: Path) -> None:
    """The provider names where to ask: a forged answer must not lead inside, nor take the key along."""

    async def poll(http: HttpClient, url: str, folder: Path) -> None:
        call = Call("r1", "flux-2-pro", Operation.GENERATE, state={"polling_url": url})
        provider = registry.build("bfl", http=http, credential=BFL)
        await provider.poll(call, answer=SpooledAnswer(folder))

    assert attacked(poll, folder=tmp_path) == ([], 0)


def test_no_form_of_url_is_reached_as_a_server_of_workflows(tmp_path: Path) -> None:
    """Without being named as trusted; the services refuse such a base URL before."""

    async def submit(http: HttpClient, url: str, folder: Path) -> None:
        provider = registry.build("comfyui", base_url=url, http=http)
        model = registry.describe("comfyui").example_model
        request = a_request(model=model, prompt="a mug")
        await provider.submit(request, answer=SpooledAnswer(folder))

    assert attacked(submit, folder=tmp_path) == ([], 0)


def test_no_form_of_url_is_reached_as_a_result_of_a_job(tmp_path: Path) -> None:
    """All images of a job's document are fetched in one way, whatever adapter it is."""

    async def fetch(http: HttpClient, url: str, folder: Path) -> None:
        items, answer = [{"url": url}], SpooledAnswer(folder)
        left_out = await results.fetch_all(items, http=http, base_url=OUTSIDE, answer=answer)
        # What holds its content itself has nothing to fetch.
        if left_out or results.address_of(items[0]) is None:
            raise ProviderError

    assert attacked(fetch, folder=tmp_path) == ([], 0)


def attacked(
    use: Callable[[HttpClient, str, Path], Awaitable[None]], *, folder: Path = Path()
) -> tuple[list[str], int]:
    """Try each form of URL; return those that were not refused, and the connections that were made.

    An adapter may refuse by an error, or to be built at all.
    """
    escaped: list[str] = []

    async def attack() -> int:
        limits = HttpLimits(connect=0.5, read=1, total=3, download_total=3)
        async with (
            raw_server(answering(http_answer(b"{}"))) as listener,
            HttpClient(resolver=fake_resolver, limits=limits) as http,
        ):
            for n, form in enumerate(FORMS):
                url = form.replace("{port}", str(listener.port))
                try:
                    await use(http, url, folder / str(n))
                    escaped.append(form)
                except (ProviderError, ValueError):
                    continue
            return listener.connections

    connections = asyncio.run(attack())
    return escaped, connections


def test_the_listener_would_have_noticed() -> None:
    async def call() -> int:
        async with raw_server(answering(http_answer(b"{}"))) as listener:
            trusted = frozenset({listener.url})
            async with HttpClient(trusted_origins=trusted, resolver=fake_resolver) as http:
                await http.send("GET", listener.url + "/")
            return listener.connections

    assert asyncio.run(call()) == 1


def test_trusting_one_origin_trusts_no_other(tmp_path: Path) -> None:
    async def attack() -> tuple[int, list[str]]:
        escaped = []
        async with (
            raw_server(answering(http_answer(b"{}"))) as ours,
            raw_server(answering(http_answer(b"{}"))) as other,
            HttpClient(trusted_origins=frozenset({ours.url}), resolver=fake_resolver) as http,
        ):
            for url in (other.url, ours.url.replace("127.0.0.1", "localhost"), "http://inner.test"):
                try:
                    await http.send("GET", url)
                    escaped.append(url)
                except ProviderError:
                    pass
            try:
                # Another provider's answer must not point into our own gateway either.
                await http.download(
                    ours.url, base_url=OUTSIDE, answer=SpooledAnswer(tmp_path / "a"), part="image-0"
                )
                escaped.append("download")
            except BadResponse:
                pass
            return ours.connections + other.connections, escaped

    assert asyncio.run(attack()) == (0, [])


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Same", "308 Same"])
@pytest.mark.parametrize(
    "place",
    [
        "http://127.0.0.1:{other}/",
        "https://127.0.0.1/",
        "https://inner.test/",
        "https://user@93.184.216.34/",
        "file:///etc/passwd",
        "//127.0.0.1:{other}/",
        "",
    ],
)
def test_a_redirect_leads_to_no_inner_address(
    status: str, place: str, new_answer: Callable[[], SpooledAnswer]
) -> None:
    async def attack() -> int:
        async with raw_server(answering(http_answer(b"PNG"))) as other:
            where = place.replace("{other}", str(other.port))
            answer = http_answer(b"", status=status, headers=(f"Location: {where}",))
            async with raw_server(answering(answer)) as ours:
                trusted = frozenset({ours.url})
                async with HttpClient(trusted_origins=trusted, resolver=fake_resolver) as http:
                    with pytest.raises(ProviderError):
                        await http.download(
                            f"{ours.url}/a.png",
                            base_url=ours.url,
                            answer=new_answer(),
                            part="image-0",
                        )
            return other.connections

    assert asyncio.run(attack()) == 0


def test_a_name_that_changes_its_address_is_looked_up_once_for_each_connection() -> None:
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["93.184.216.34"] if len(asked) == 1 else ["127.0.0.1"]

    async def call() -> int:
        limits = HttpLimits(connect=0.3)
        async with (
            raw_server(answering(http_answer(b"{}"))) as listener,
            HttpClient(resolver=rebinding, limits=limits) as http,
        ):
            for _ in range(2):
                with pytest.raises(ProviderError):
                    await http.send("GET", f"https://rebind.test:{listener.port}/")
            return listener.connections

    assert asyncio.run(call()) == 0
    assert asked == ["rebind.test", "rebind.test"]


def test_a_slow_resolver_ends_in_a_timeout() -> None:
    async def slow(host: str, port: int) -> list[str]:
        await asyncio.sleep(60)
        return []

    async def call() -> None:
        async with HttpClient(resolver=slow, limits=HttpLimits(connect=0.05)) as http:
            await http.send("GET", "https://slow.test/")

    with pytest.raises(ProviderError) as caught:
        asyncio.run(call())

    assert caught.value.code == "provider_timeout"
