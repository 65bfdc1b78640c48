"""Play Vault and AWS Secrets Manager over HTTP, each to its official client."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.secret_stores.tunnel import PAGE, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

TOKEN = "s.token-of-the-tests"
ROLE_ID, SECRET_ID = "role-of-the-tests", "secret-id-of-the-tests"


@contextmanager
def silent_port() -> Iterator[int]:
    """Take connections, and never answer."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(8)
        yield int(listening.getsockname()[1])


class _VaultHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        bench: VaultBench = self.server.bench  # type: ignore[attr-defined]  # set by the bench
        if bench.page_status:
            self._answer(bench.page_status, PAGE)
        elif bench.is_down:
            self._answer(503, {"errors": ["Vault is sealed"]})
        elif self.headers.get("X-Vault-Token") != TOKEN:
            self._answer(403, {"errors": ["permission denied"]})
        elif bench.value is None or self.path != "/v1/secret/data/images":
            self._answer(404, {"errors": []})
        else:
            fields = {"openai": bench.value}
            versioned = {"data": fields, "metadata": {"version": 3}}
            self._answer(200, {"data": versioned if bench.version == 2 else fields})

    def do_POST(self) -> None:
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if given != {"role_id": ROLE_ID, "secret_id": SECRET_ID}:
            self._answer(400, {"errors": ["invalid role or secret ID"]})
        else:
            self._answer(200, {"auth": {"client_token": TOKEN}})

    def _answer(self, status: int, document: Any) -> None:
        is_page = isinstance(document, str)
        body = (document if is_page else json.dumps(document)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if is_page else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class VaultBench:
    """A server that speaks Vault's HTTP for one path, to Vault's own client."""

    source = "vault:secret/data/images#openai"

    def __init__(self, patch: pytest.MonkeyPatch, url: str, silent: int, *, version: int) -> None:
        self.value: str | None = None
        self.is_down = False
        #: The status with which a proxy answers in its place; 0: none does.
        self.page_status = 0
        self.version = version
        self._patch = patch
        self._silent = silent
        patch.setenv("VAULT_ADDR", url)
        patch.setenv("VAULT_TOKEN", TOKEN)

    def put(self, value: str | None) -> None:
        self.value = value

    def go_down(self) -> None:
        self.is_down = True

    def hang(self) -> None:
        self._patch.setenv("VAULT_ADDR", f"http://127.0.0.1:{self._silent}")

    def answer_with_a_web_page(self) -> None:
        self.page_status = 200

    def refuse(self) -> None:
        self._patch.setenv("VAULT_TOKEN", "s.wrong")


@contextmanager
def vault(patch: pytest.MonkeyPatch, *, version: int = 2) -> Iterator[VaultBench]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _VaultHandler)
    # It looks for its end more often than by default.
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    with silent_port() as silent:
        url = f"http://127.0.0.1:{server.server_port}"
        server.bench = bench = VaultBench(patch, url, silent, version=version)  # type: ignore[attr-defined]  # see above
        try:
            yield bench
        finally:
            server.shutdown()
            server.server_close()


class _FrontHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        reply: Reply = self.server.front.reply  # type: ignore[attr-defined]  # set by the front
        self.rfile.read(int(self.headers["Content-Length"]))
        is_page = isinstance(reply.content, str)
        body = (reply.content if is_page else json.dumps(reply.content)).encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", "text/html" if is_page else "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class _Front:
    """What stands in front of moto's server, once it is told what to answer in its place."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self._reply: Reply | None = None
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _FrontHandler)
        self.server.front = self  # type: ignore[attr-defined]  # for the handler
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def reply(self) -> Reply:
        assert self._reply is not None
        return self._reply

    @reply.setter
    def reply(self, reply: Reply) -> None:
        self._reply = reply
        self._patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{self.server.server_port}")


@contextmanager
def aws(patch: pytest.MonkeyPatch, url: str) -> Iterator[AwsBench]:
    """Play AWS Secrets Manager by the server of moto at the URL."""
    front = _Front(patch)
    with silent_port() as silent:
        bench = AwsBench(patch, url, silent, front)
        try:
            yield bench
        finally:
            bench.put_away()
            front.server.shutdown()
            front.server.server_close()


class AwsBench:
    """Moto's server, spoken to by Amazon's own client."""

    source = "aws:images#openai"

    def __init__(self, patch: pytest.MonkeyPatch, url: str, silent: int, front: _Front) -> None:
        self._patch = patch
        self._silent = silent
        self._front = front
        for name, value in (
            ("AWS_ENDPOINT_URL", url),
            ("AWS_ACCESS_KEY_ID", "testing"),
            ("AWS_SECRET_ACCESS_KEY", "testing"),
            ("AWS_DEFAULT_REGION", "eu-central-1"),
        ):
            patch.setenv(name, value)
        self.client = __import__("boto3").client("secretsmanager", endpoint_url=url)

    def put_away(self) -> None:
        """Leave nothing to the next test."""
        for entry in self.client.list_secrets()["SecretList"]:
            self.client.delete_secret(SecretId=entry["ARN"], ForceDeleteWithoutRecovery=True)

    def put(self, value: str | None) -> None:
        if value is None:
            self.client.delete_secret(SecretId="images", ForceDeleteWithoutRecovery=True)
            return
        document = json.dumps({"openai": value})
        try:
            self.client.put_secret_value(SecretId="images", SecretString=document)
        except self.client.exceptions.ResourceNotFoundException:
            self.client.create_secret(Name="images", SecretString=document)

    def go_down(self) -> None:
        self._patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    def hang(self) -> None:
        self._patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{self._silent}")

    def answer_with_a_web_page(self) -> None:
        self._front.reply = Reply(200, PAGE)

    def refuse(self) -> None:
        self.answer_with_error("AccessDeniedException")

    def answer_with_error(self, code: str, *, status: int = 400) -> None:
        self._front.reply = Reply(status, {"__type": code, "Message": "no"})
