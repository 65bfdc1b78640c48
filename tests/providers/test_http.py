from __future__ import annotations

import asyncio
import gzip
import logging
import ssl
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from imagegen_app.core import live_secrets
from imagegen_app.core.errors import (
    AnswerCutOff,
    AnswerTimedOut,
    AuthenticationFailed,
    BadResponse,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
)
from imagegen_app.providers.answers import SpooledAnswer
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.families import statuses
from imagegen_app.providers.http import Auth, HttpClient, HttpLimits, Reply, tls
from tests.providers.certificates import certificate
from tests.providers.samples import Handler, RawServer, answering, http_answer, raw_server

Use = Callable[[HttpClient, RawServer], object]


def talk(handler: Handler, use: Use, **limits: float) -> RawServer:
    """Run `use` with a client that trusts a server with this handler."""

    async def run() -> RawServer:
        values = {"connect": 5, "read": 5, "total": 10, **limits}
        async with raw_server(handler) as server:
            trusted = frozenset({server.url})
            async with HttpClient(trusted_origins=trusted, limits=HttpLimits(**values)) as http:  # type: ignore[arg-type]
                await use(http, server)  # type: ignore[misc]
            return server

    return asyncio.run(run())


async def silent(_: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def hanging_up(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def test_a_body_is_spooled_whole_and_its_digest_told(answer: SpooledAnswer) -> None:
    async def use(http: HttpClient, server: RawServer) -> None:
        reply = await http.post_json(server.url, body=b'{"a":1}', answer=answer)
        assert reply.ok
        assert reply.body == b""
        assert reply.request_id == "r1"

    server = talk(answering(http_answer(b"x" * 100_000, headers=("X-Request-Id: r1",))), use)

    assert answer.read() == b"x" * 100_000
    assert server.requests[0].endswith(b'\r\n\r\n{"a":1}')
    assert b"content-length: 7\r\n" in server.requests[0].lower()
    assert b"accept-encoding: identity\r\n" in server.requests[0].lower()


def test_an_error_body_comes_back_capped_and_leaves_no_spool(answer: SpooledAnswer) -> None:
    async def use(http: HttpClient, server: RawServer) -> None:
        reply = await http.post_json(server.url, body=b"{}", answer=answer)
        assert reply.status == 500
        assert len(reply.body) == 1000

    talk(answering(http_answer(b"x" * 5000, status="500 Broken")), use, max_error=1000)

    assert list(answer.parts()) == []


def test_only_harmless_headers_are_kept() -> None:
    async def use(http: HttpClient, server: RawServer) -> None:
        reply = await http.send("GET", server.url)
        assert set(reply.headers) == {"content-length", "x-ratelimit-limit-requests", "retry-after"}
        assert len(reply.headers["retry-after"]) <= 300

    headers = (
        "Set-Cookie: a=b",
        "X-Secret: 1",
        "X-RateLimit-Limit-Requests: 5",
        "Retry-After: " + "9" * 900,
    )
    talk(answering(http_answer(b"{}", headers=headers)), use)


def test_cookies_are_not_carried_from_call_to_call() -> None:
    async def use(http: HttpClient, server: RawServer) -> None:
        await http.send("GET", server.url)
        await http.send("GET", server.url)

    server = talk(answering(http_answer(b"{}", headers=("Set-Cookie: id=1",))), use)

    assert all(b"cookie" not in request.lower() for request in server.requests)


def test_billable_posts_never_share_a_connection_and_polls_do(
    new_answer: Callable[[], SpooledAnswer],
) -> None:
    async def posts(http: HttpClient, server: RawServer) -> None:
        for _ in range(3):
            await http.post_json(server.url, body=b"{}", answer=new_answer())

    async def polls(http: HttpClient, server: RawServer) -> None:
        for _ in range(3):
            await http.get_json(server.url)

    assert talk(answering(http_answer(b"{}")), posts).connections == 3
    assert talk(answering(http_answer(b"{}")), polls).connections == 1


@pytest.mark.parametrize(
    ("handler", "connections"),
    [
        (answering(http_answer(b"image")), 1),
        (answering(http_answer(b"image", headers=("Connection: close",))), 3),
    ],
)
def test_downloads_share_a_connection_as_long_as_the_server_keeps_it(
    answer: SpooledAnswer, handler: Handler, connections: int
) -> None:
    async def use(http: HttpClient, server: RawServer) -> None:
        for n in range(3):
            part = f"image-{n}"
            await http.download(server.url, base_url=server.url, answer=answer, part=part)

    assert talk(handler, use).connections == connections
    assert [answer.read(part=part) for part in answer.parts()] == [b"image"] * 3


@pytest.mark.parametrize(
    ("handler", "billable", "expected"),
    [
        (silent, True, OutcomeUnknown),
        (silent, False, ProviderTimeout),
        (hanging_up, True, OutcomeUnknown),
        (hanging_up, False, ProviderUnavailable),
        (answering(b"NOT HTTP\r\n\r\n"), True, OutcomeUnknown),
        (answering(http_answer(b"half", length=9000)), True, OutcomeUnknown),
        (answering(http_answer(b"half", length=9000)), False, ProviderTimeout),
    ],
)
def test_what_breaks_after_sending_may_have_been_billed(
    handler: Handler, billable: bool, expected: type[ProviderError], answer: SpooledAnswer
) -> None:
    async def use(http: HttpClient, server: RawServer) -> None:
        with pytest.raises(expected) as caught:
            await http.send(
                "POST",
                server.url + "/?key=canary",
                body=b"canary",
                billable=billable,
                answer=answer,
            )
        assert caught.value.__suppress_context__
        assert "canary" not in str(caught.value) + caught.value.detail

    # A short limit only where nothing more comes: a busy machine is slow to answer, too.
    talk(handler, use, read=5 if handler is hanging_up else 0.2)

    assert list(answer.parts()) == []


async def dripping(_request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(http_answer(b"", length=1000))
    for _ in range(100):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def breaking_off(_request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(http_answer(b"half", length=9000))
    await writer.drain()
    writer.transport.abort()


@pytest.mark.parametrize(
    ("handler", "limits", "expected"),
    [
        (dripping, {"total": 0.3}, AnswerTimedOut),
        (dripping, {"slow_grace": 0.1, "slow_window": 0.1}, AnswerTimedOut),
        (answering(http_answer(b"half", length=9000)), {"read": 0.2}, AnswerTimedOut),
        (breaking_off, {}, AnswerCutOff),
    ],
    ids=["total", "rate", "pause", "broken"],
)
def test_an_answer_that_began_and_did_not_end_is_not_called_silence(
    answer: SpooledAnswer, handler: Handler, limits: dict[str, float], expected: type[ProviderError]
) -> None:
    async def use(http: HttpClient, server: RawServer) -> None:
        with pytest.raises(expected) as caught:
            await http.post_json(server.url, body=b"{}", answer=answer)
        assert caught.value.detail.endswith("while receiving")
        assert (caught.value.status, caught.value.billed) == (200, "unknown")
        assert "no answer" not in str(caught.value)

    talk(handler, use, **limits)

    assert list(answer.parts()) == []


def test_a_poll_whose_answer_drips_is_only_asked_again() -> None:
    async def use(http: HttpClient, server: RawServer) -> None:
        with pytest.raises(ProviderTimeout) as caught:
            await http.get_json(server.url)
        assert caught.value.detail == "timed out while receiving"

    talk(dripping, use, slow_grace=0.1, slow_window=0.1)


def test_a_slow_answer_that_keeps_up_the_least_rate_is_received(answer: SpooledAnswer) -> None:
    async def slow(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(http_answer(b"", length=8 * 4096))
        for _ in range(8):
            writer.write(b"x" * 4096)
            await writer.drain()
            await asyncio.sleep(0.05)

    async def use(http: HttpClient, server: RawServer) -> None:
        assert (await http.post_json(server.url, body=b"{}", answer=answer)).ok

    talk(slow, use, slow_grace=0.1, slow_window=0.3, read=20, total=60)


@pytest.mark.parametrize("status", ["429 Too Many", "503 Busy", "500 Broken"])
def test_a_result_that_is_not_served_yet_says_when_to_come_again(
    answer: SpooledAnswer, status: str
) -> None:
    reply = http_answer(b"", status=status, headers=("Retry-After: 77",))

    async def use(http: HttpClient, server: RawServer) -> None:
        with pytest.raises(ProviderUnavailable) as caught:
            await http.download(server.url, base_url=server.url, answer=answer, part="image-0")
        assert caught.value.retry_after == 77.0

    talk(answering(reply), use)


def test_a_refused_connection_was_not_billed(answer: SpooledAnswer) -> None:
    async def run() -> None:
        async with raw_server(silent) as server:
            url = server.url
        async with HttpClient(trusted_origins=frozenset({url})) as http:
            await http.post_json(url, body=b"{}", answer=answer)

    with pytest.raises(ProviderUnavailable) as caught:
        asyncio.run(run())

    assert caught.value.billed == "no"


def test_a_header_that_cannot_be_written_is_an_invalid_request() -> None:
    async def use(http: HttpClient, server: RawServer) -> None:
        with pytest.raises(InvalidRequest):
            await http.send("GET", server.url, headers={"X-A": "b\r\nX-C: d"})
        with pytest.raises(InvalidRequest):
            await http.send("GET", "nonsense")

    assert talk(answering(http_answer(b"{}")), use).requests == []


@pytest.mark.parametrize("body", [b"<html>", b"", b"[" * 100_000, b"\xff"])
def test_what_is_no_json_is_a_bad_response(body: bytes) -> None:
    async def use(http: HttpClient, server: RawServer) -> None:
        with pytest.raises(BadResponse):
            await http.get_json(server.url)

    talk(answering(http_answer(body)), use)


def test_json_comes_with_its_reply_and_errors_without() -> None:
    async def use(http: HttpClient, server: RawServer) -> None:
        assert (await http.get_json(server.url))[1] == {"a": 1}
        reply, document = await http.get_json(server.url)
        assert (reply.status, document) == (404, None)

    talk(answering(http_answer(b'{"a":1}'), http_answer(b"{}", status="404 No")), use)


@pytest.mark.parametrize("spooled", [True, False])
def test_an_answer_over_its_limit_is_refused(spooled: bool, answer: SpooledAnswer) -> None:
    async def use(http: HttpClient, server: RawServer) -> None:
        with pytest.raises(BadResponse):
            await http.send("GET", server.url, limit=100, answer=answer if spooled else None)

    talk(answering(http_answer(b"x" * 101)), use)

    assert list(answer.parts()) == []


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b"y" * 700_000, mtime=0)),
        ("deflate", zlib.compress(b"y" * 700_000)),
        ("identity", b"y" * 700_000),
    ],
)
def test_a_compressed_answer_that_nobody_asked_for_is_still_read(
    encoding: str, body: bytes, answer: SpooledAnswer
) -> None:
    async def use(http: HttpClient, server: RawServer) -> None:
        await http.post_json(server.url, body=b"{}", answer=answer)

    talk(answering(http_answer(body, headers=(f"Content-Encoding: {encoding}",))), use)

    assert answer.read() == b"y" * 700_000


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(bytes(50_000_000), 1, mtime=0)),
        ("gzip", gzip.compress(b"y" * 999, mtime=0)[:-9]),
        ("gzip", b"no gzip"),
        ("br", b"x"),
        ("gzip, gzip", b"x"),
    ],
)
def test_a_bomb_or_a_broken_coding_is_refused(encoding: str, body: bytes) -> None:
    async def use(http: HttpClient, server: RawServer) -> None:
        with pytest.raises(BadResponse):
            await http.post_json(server.url, body=b"{}", limit=1_000_000)

    talk(answering(http_answer(body, headers=(f"Content-Encoding: {encoding}",))), use)


@pytest.mark.parametrize(
    ("encoding", "body", "kept"),
    [
        ("gzip", gzip.compress(b"y" * 999, mtime=0)[:-9], b"y" * 999),
        ("gzip", b"no gzip", b"no gzip"),
        ("br", b"x", b"x"),
        ("gzip, gzip", b"x", b"x"),
    ],
)
def test_an_answer_in_a_coding_that_cannot_be_undone_is_kept_as_it_came(
    encoding: str, body: bytes, kept: bytes, answer: SpooledAnswer
) -> None:
    async def use(http: HttpClient, server: RawServer) -> None:
        await http.post_json(server.url, body=b"{}", answer=answer)

    talk(answering(http_answer(body, headers=(f"Content-Encoding: {encoding}",))), use)

    assert answer.read() == kept


def test_a_compressed_bomb_is_not_written_to_the_disk(answer: SpooledAnswer) -> None:
    body = gzip.compress(bytes(50_000_000), 1, mtime=0)

    async def use(http: HttpClient, server: RawServer) -> None:
        with pytest.raises(BadResponse):
            await http.post_json(server.url, body=b"{}", answer=answer, limit=1_000_000)

    talk(answering(http_answer(body, headers=("Content-Encoding: gzip",))), use)

    assert list(answer.parts()) == []


@pytest.mark.parametrize(
    ("status", "refused_by", "tried"),
    [
        ("401 No", frozenset({401}), 2),
        ("403 No", frozenset({401}), 1),
        ("403 No", frozenset({401, 403}), 2),
        ("400 No", frozenset({401, 403}), 1),
    ],
)
def test_the_second_live_key_is_tried_when_the_first_is_refused(
    monkeypatch: pytest.MonkeyPatch, status: str, refused_by: frozenset[int], tried: int
) -> None:
    monkeypatch.setenv("KEY_ONE", "one")
    monkeypatch.setenv("KEY_TWO", "two")
    credential = Credential("c", ("env:KEY_ONE", "env:KEY_TWO"), frozenset({"127.0.0.1"}))

    async def use(http: HttpClient, server: RawServer) -> None:
        auth = Auth(credential, refused_by=refused_by)
        reply = await http.post_json(server.url, body=b"{}", auth=auth)
        assert reply.status == (200 if tried == 2 else int(status[:3]))

    server = talk(answering(http_answer(b"{}", status=status), http_answer(b"{}")), use)

    keys = [b"Authorization: Bearer one", b"Authorization: Bearer two"]
    assert all(key in sent for key, sent in zip(keys, server.requests, strict=False))
    assert len(server.requests) == tried


def test_calls_at_the_same_time_do_not_take_the_good_value_for_a_refused_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("KEY_ONE", "one")
    monkeypatch.setenv("KEY_TWO", "two")
    credential = Credential("c", ("env:KEY_ONE", "env:KEY_TWO"), frozenset({"127.0.0.1"}))
    # Both calls have sent the first value before either of them knows that it is refused.
    both_sent, sent = asyncio.Event(), []

    async def handle(request: bytes, writer: asyncio.StreamWriter) -> None:
        is_good = b"Bearer two" in request
        if not is_good:
            sent.append(request)
            if len(sent) == 2:
                both_sent.set()
            await both_sent.wait()
        writer.write(http_answer(b"{}", status="200 OK" if is_good else "401 No"))

    async def use(http: HttpClient, server: RawServer) -> None:
        calls = (http.post_json(server.url, body=b"{}", auth=Auth(credential)) for _ in range(2))
        assert [reply.status for reply in await asyncio.gather(*calls)] == [200, 200]

    talk(handle, use)

    assert [value.reveal() for value in credential.values()] == ["two", "one"]
    assert len([line for line in caplog.messages if "was refused" in line]) == 1


def test_a_credential_is_sent_to_its_own_hosts_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ONE", "one")
    other = Credential("c", ("env:KEY_ONE",), frozenset({"api.example.com"}))
    empty = Credential("c", ("env:NO_SUCH_KEY",), frozenset({"127.0.0.1"}))

    async def use(http: HttpClient, server: RawServer) -> None:
        for credential in (other, empty):
            with pytest.raises(AuthenticationFailed):
                await http.send("GET", server.url, auth=Auth(credential))

    assert talk(answering(http_answer(b"{}")), use).connections == 0


@pytest.mark.parametrize("key", ["schlüssel", "two\nlines", "\u20ac"])
def test_a_key_that_fits_into_no_header_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("ODD_KEY", key)
    auth = Auth(Credential("c", ("env:ODD_KEY",), frozenset({"127.0.0.1"})))

    async def use(http: HttpClient, server: RawServer) -> None:
        with pytest.raises(AuthenticationFailed) as caught:
            await http.post_json(server.url, body=b"{}", auth=auth)
        assert key not in caught.value.detail

    assert talk(answering(http_answer(b"{}")), use).requests == []


@pytest.mark.parametrize(
    ("location", "detail"),
    [
        ("/elsewhere", "HTTP 307, redirected"),
        ("https://other.example/v1?prompt=secret", "HTTP 307, redirected to other.example"),
        ("https://user:secret@other.example/", "HTTP 307, redirected to other.example"),
        ("https://[secret", "HTTP 307, redirected"),
    ],
)
def test_a_redirected_post_is_not_followed_and_is_named_as_such(location: str, detail: str) -> None:
    async def use(http: HttpClient, server: RawServer) -> None:
        error = statuses.classify(await http.post_json(server.url, body=b"{}"))
        assert isinstance(error, NotFound)
        assert str(error) == statuses.REDIRECTED
        assert (error.detail, error.status, error.retryable) == (detail, 307, False)

    headers = (f"Location: {location}",)
    server = talk(answering(http_answer(b"", status="307 Go", headers=headers)), use)

    assert len(server.requests) == 1


def test_a_download_follows_three_redirects_without_credentials(answer: SpooledAnswer) -> None:
    go = http_answer(b"", status="302 Go", headers=("Location: next.png",))

    async def use(http: HttpClient, server: RawServer) -> None:
        reply = await http.download(
            "/files/a.png", base_url=server.url + "/v1", answer=answer, part="image-0"
        )
        assert reply.ok

    server = talk(answering(go, go, go, http_answer(b"PNG")), use)

    assert answer.read(part="image-0") == b"PNG"
    assert server.requests[1].startswith(b"GET /files/next.png ")
    assert all(b"authorization" not in request.lower() for request in server.requests)


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (answering(http_answer(b"", status="302 Go", headers=("Location: x",))), BadResponse),
        (answering(http_answer(b"", status="302 Go")), BadResponse),
        (answering(http_answer(b"", status="404 Gone")), BadResponse),
        (answering(http_answer(b"", status="403 Expired")), BadResponse),
        (answering(http_answer(b"", status="503 Later")), ProviderUnavailable),
        (answering(http_answer(b"", status="429 Later")), ProviderUnavailable),
        (answering(http_answer(b"x" * 2000)), BadResponse),
        (hanging_up, ProviderUnavailable),
    ],
)
def test_a_result_that_cannot_be_fetched_says_whether_to_come_again(
    handler: Handler, expected: type[ProviderError], answer: SpooledAnswer
) -> None:
    async def use(http: HttpClient, server: RawServer) -> None:
        with pytest.raises(expected):
            await http.download(
                server.url + "/a", base_url=server.url, answer=answer, part="image-0"
            )

    talk(handler, use, max_download=1000)

    assert list(answer.parts()) == []


def test_a_result_that_never_begins_is_given_up(answer: SpooledAnswer) -> None:
    async def use(http: HttpClient, server: RawServer) -> None:
        with pytest.raises(ProviderTimeout):
            await http.download(
                server.url + "/a", base_url=server.url, answer=answer, part="image-0"
            )

    talk(silent, use, download_first_byte=0.2)

    assert list(answer.parts()) == []


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("cdn.example.com", True),
        ("a.cdn.example.com", True),
        ("evilcdn.example.com", False),
        ("example.com", False),
    ],
)
def test_results_come_from_the_named_hosts_only(
    host: str, allowed: bool, answer: SpooledAnswer
) -> None:
    asked: list[str] = []

    async def resolver(name: str, port: int) -> list[str]:
        asked.append(name)
        raise OSError("no network in tests")

    async def run() -> None:
        async with HttpClient(resolver=resolver) as http:
            await http.download(
                f"https://{host}/a.png",
                base_url="https://api.example.com",
                answer=answer,
                part="image-0",
                hosts=frozenset({"cdn.example.com"}),
            )

    with pytest.raises(ProviderError):
        asyncio.run(run())

    assert asked == ([host] if allowed else [])


def test_the_http_log_shows_no_query(caplog: pytest.LogCaptureFixture) -> None:
    async def use(http: HttpClient, server: RawServer) -> None:
        await http.send("GET", server.url + "/x?sig=canary")

    with caplog.at_level(logging.DEBUG):
        talk(answering(http_answer(b"{}")), use)

    assert "HTTP Request" in caplog.text
    assert "canary" not in caplog.text


def test_a_reply_prints_no_body() -> None:
    assert "canary" not in repr(Reply(200, {}, b"canary"))


def test_the_certificate_must_carry_the_name_even_at_the_same_address(tmp_path: Path) -> None:
    server_side = certificate(tmp_path, "a.test")
    client_side = ssl.create_default_context(cafile=str(tmp_path / "server.pem"))

    async def resolver(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async def run() -> list[str]:
        outcomes = []
        async with raw_server(answering(http_answer(b"{}")), ssl=server_side) as server:
            good, evil = f"https://a.test:{server.port}", f"https://evil.test:{server.port}"
            async with HttpClient(
                trusted_origins=frozenset({good, evil}), resolver=resolver, ssl_context=client_side
            ) as http:
                for url in (good, evil, good):
                    try:
                        outcomes.append(str((await http.send("GET", url)).status))
                    except ProviderUnavailable as error:
                        outcomes.append(error.detail)
        return outcomes

    assert asyncio.run(run()) == ["200", "no connection", "200"]


class _BrokenDisk(RuntimeError):
    """Something of ours broke in the middle of a call."""


def test_a_report_with_the_local_variables_of_our_frames_shows_no_key(
    answer: SpooledAnswer, credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = credential.values()[0].reveal()
    frames: dict[str, str] = {}

    async def write(*_: object, **__: object) -> str:
        raise _BrokenDisk

    monkeypatch.setattr(answer, "write", write, raising=True)

    async def use(http: HttpClient, server: RawServer) -> None:
        try:
            await http.post_json(server.url, body=b"{}", auth=Auth(credential), answer=answer)
        except _BrokenDisk as error:
            trace = error.__traceback__
            while trace is not None:
                code = trace.tb_frame.f_code
                if "/imagegen_app/" in code.co_filename:
                    frames[code.co_name] = repr(dict(trace.tb_frame.f_locals))
                trace = trace.tb_next

    talk(answering(http_answer(b"{}")), use)

    assert {"post_json", "send", "_call", "_read"} <= frames.keys()
    assert {name for name, shown in frames.items() if key in shown} == set()
    assert "<headers Authorization>" in frames["send"]


def test_a_key_in_the_address_of_a_result_is_in_no_error_header_or_log(
    answer: SpooledAnswer, caplog: pytest.LogCaptureFixture
) -> None:
    key = "sk-planted-7Qx9Vb2LmZ4tR8wK1cY6"
    live_secrets.remember(key)
    caplog.set_level(logging.DEBUG)
    told = [f"X-Request-Id: {key}", f"Content-Type: image/{key}", f"Retry-After: {key}"]
    handlers = answering(
        http_answer(b"", status="302 Go", headers=(f"Location: /{key}/b?key={key}", *told)),
        http_answer(key.encode(), status=f"404 {key}", headers=tuple(told)),
        http_answer(
            b"", status="302 Go", headers=(f"Location: https://{key}.example/{key}", *told)
        ),
    )

    async def use(http: HttpClient, server: RawServer) -> None:
        for _ in range(2):
            with pytest.raises(ProviderError) as caught:
                await http.download(
                    f"/{key}?key={key}", base_url=server.url, answer=answer, part="image-0"
                )
            error = caught.value
            texts = [str(error), error.detail, error.request_id, error.remedy, repr(error)]
            assert key[:12] not in " ".join(texts)

    server = talk(handlers, use)

    assert key.encode() in server.requests[1]
    assert key[:12].lower() not in caplog.text.lower()


def test_the_certificates_are_read_once_for_all_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[ssl.SSLContext] = []

    def reading(**_options: object) -> ssl.SSLContext:
        read.append(ssl.create_default_context())
        return read[-1]

    monkeypatch.setattr("httpx.create_ssl_context", reading)
    tls.trusted_certificates.cache_clear()
    try:

        async def use(http: HttpClient, server: RawServer) -> None:
            await http.send("GET", server.url)

        for _ in range(3):
            talk(answering(http_answer(b"x")), use)

        assert len(read) == 1
    finally:
        tls.trusted_certificates.cache_clear()
