"""A proxy that leads to hosts of the clouds, and plays them itself: real clients, real host names, TLS.

Official clients honour `HTTPS_PROXY` and `REQUESTS_CA_BUNDLE`, so that nothing in them is replaced.
"""

from __future__ import annotations

import json
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.providers.certificates import certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

HOSTS = (
    "images-vault.vault.azure.net",
    "login.microsoftonline.com",
    "oauth2.googleapis.com",
    "secretmanager.googleapis.com",
)
PAGE = "<!DOCTYPE html><html><body>Sign in to the network</body></html>"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asked for."""

    host: str
    path: str
    bearer: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What it is answered: JSON, or a text as a web page."""

    status: int
    content: Any
    headers: dict[str, str] = field(default_factory=dict)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        tunnel: Tunnel = self.server.tunnel  # type: ignore[attr-defined]  # set below
        if tunnel.is_silent:
            tunnel.released.wait(5)
            self.close_connection = True
            return
        self.send_response_only(200)
        self.end_headers()
        try:
            self.connection = tunnel.context.wrap_socket(self.connection, server_side=True)
        except OSError:
            self.close_connection = True
            return
        self.rfile, self.wfile = (
            self.connection.makefile("rb"),
            self.connection.makefile("wb", 0),
        )
        self.close_connection = False

    def do_GET(self) -> None:
        tunnel: Tunnel = self.server.tunnel  # type: ignore[attr-defined]  # see above
        size = int(self.headers.get("Content-Length") or 0)
        bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        asked = Asked(self.headers["Host"], self.path, bearer, self.rfile.read(size))
        tunnel.asked.append(asked)
        reply = tunnel.answer(asked)
        is_page = isinstance(reply.content, str)
        body = (reply.content if is_page else json.dumps(reply.content)).encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", "text/html" if is_page else "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class _Server(ThreadingHTTPServer):
    # A client that went away says nothing that a test looks at.
    def handle_error(self, *_: object) -> None:
        """Print nothing."""


class Tunnel:
    """The proxy with what stands behind it."""

    def __init__(self, folder: Path) -> None:
        self.context: ssl.SSLContext = certificate(folder, *HOSTS)
        self.authority = folder / "server.pem"
        self.port = 0
        self.released = threading.Event()
        self.use(lambda asked: Reply(404, {}))

    def use(self, answer: Callable[[Asked], Reply]) -> None:
        """Answer like this from now on."""
        self.answer = answer
        self.is_silent = False
        self.asked: list[Asked] = []
        self.released.clear()

    def lead_here(self, patch: pytest.MonkeyPatch) -> None:
        """Have the clients of this process ask the proxy."""
        for name in ("https_proxy", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
            patch.delenv(name, raising=False)
        patch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{self.port}")
        patch.setenv("REQUESTS_CA_BUNDLE", str(self.authority))


@contextmanager
def running_tunnel(folder: Path) -> Iterator[Tunnel]:
    tunnel = Tunnel(folder)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.tunnel = tunnel  # type: ignore[attr-defined]  # for the handler
    tunnel.port = server.server_port
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield tunnel
    finally:
        tunnel.released.set()
        server.shutdown()
        server.server_close()
