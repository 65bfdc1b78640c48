"""Receive the provider's webhooks by HTTP, and pass them on to the site's web process."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from tests.engines.engine_site import Site

ACCEPTED, FAILED = 204, 502


class WebhookServer:
    """A web server for webhooks; one that dies in the middle answers with an error."""

    def __init__(self) -> None:
        self.site: Site | None = None
        self.outcomes: list[str] = []
        self._lock = threading.Lock()
        webhooks = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.send_response(webhooks.deliver(self.path, headers, body.decode()))
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def deliver(self, path: str, headers: dict[str, str], body: str) -> int:
        """Give a delivery to the web process; a web process that dies of it is replaced."""
        if self.site is None:
            return FAILED
        token = path.rstrip("/").rpartition("/")[2]
        with self._lock:
            try:
                answer = self.site.web.call("deliver", token=token, headers=headers, body=body)
            except (json.JSONDecodeError, OSError):
                self.site.environment.pop("IMAGEGEN_FAILPOINTS", None)
                self.site.restart_web()
                return FAILED
        self.outcomes.append(answer["outcome"])
        return ACCEPTED
