"""Start the simulator as a process of its own, for tests."""

from __future__ import annotations

import base64
import http.client
import json
import os
import select
import ssl
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from imagegen_app.testing.simulator import received
from imagegen_app.testing.simulator.server import DEFAULT_KEY, DEFAULT_WEBHOOK_SECRET

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from imagegen_app.testing.simulator.received import ReceivedImage

#: On a busy machine a start takes long; one that fails is noticed at once.
_READY_SECONDS = 180.0
_CONTROL_SECONDS = 120.0
_PAUSE_SECONDS = 0.05
_OK = range(200, 300)


class SimulatorFailed(Exception):
    """The simulator did not start or refused a control call."""


@dataclass(frozen=True, slots=True)
class ForeignCall:
    """A call to the simulator's other host."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class SimulatorProcess:
    """A simulator on a free port; use it as a context manager or inside a fixture.

    ::

        @pytest.fixture(scope="session")
        def simulator():
            with SimulatorProcess() as process:
                yield process
    """

    def __init__(
        self,
        *,
        keys: tuple[str, ...] = (DEFAULT_KEY,),
        webhook_secret: str = DEFAULT_WEBHOOK_SECRET,
        bill: Path | None = None,
        quick: bool = False,
        protocols: tuple[str, ...] = (),
        arguments: tuple[str, ...] = (),
        certificate: Path | None = None,
    ) -> None:
        """Prepare it; with a PEM file of key and certificate it speaks TLS by that."""
        self.key, self.webhook_secret = keys[0], webhook_secret
        self.base_url = ""
        #: Its other host, where results may be and webhooks can be sent.
        self.other_url = ""
        self._arguments = ["--port", "0", "--json", "--webhook-secret", webhook_secret, *arguments]
        for key in keys:
            self._arguments += ["--key", key]
        for protocol in protocols:
            self._arguments += ["--protocol", protocol]
        if bill is not None:
            self._arguments += ["--bill", str(bill)]
        if certificate is not None:
            self._arguments += ["--certificate", str(certificate)]
        #: What a client of it needs for TLS: it trusts the certificate, if there is one, and no other.
        self.client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if certificate is not None:
            self.client_context.load_verify_locations(certificate)
        if quick:
            self._arguments.append("--quick")
        self._process: subprocess.Popen[str] | None = None
        self._complaints: IO[str] | None = None

    @property
    def openai_url(self) -> str:
        """The base URL for the OpenAI adapter."""
        return self.base_url + "/v1"

    @property
    def pid(self) -> int:
        """The process's id; 0 while it is not running."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start it and wait until it is ready.

        :raises SimulatorFailed: if it does not come up.
        """
        # The simulator must not die at the failpoints of the side under test.
        environment = {k: v for k, v in os.environ.items() if k != "IMAGEGEN_FAILPOINTS"}
        # A file, not a pipe: nobody reads it, and a full one would stop the simulator.
        self._complaints = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - `stop` closes it
        self._process = subprocess.Popen(  # noqa: S603  (our own module, our own arguments)
            [sys.executable, "-m", "imagegen_app.testing.simulator", *self._arguments],
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            env=environment,
        )
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.stop()
            raise

    def _wait_until_ready(self, process: subprocess.Popen[str]) -> None:
        line = self._first_line(process)
        if not line.startswith("{"):
            raise SimulatorFailed("the simulator did not start: " + (line or "no word from it"))
        ready = json.loads(line)
        self.base_url, self.other_url = ready["base_url"], ready["other"]
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            try:
                self._control("GET", "health")
            except OSError:
                if time.monotonic() > deadline:
                    raise SimulatorFailed("the simulator does not answer") from None
                time.sleep(_PAUSE_SECONDS)
            else:
                return

    def stop(self) -> None:
        """End it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdout, self._complaints):
            if stream is not None:
                stream.close()
        self._process = self._complaints = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def bill(self) -> dict[str, Any]:
        """Return what was billed: `entries`, `images`, `total`, `currency`."""
        return self._control("GET", "bill")

    def calls(self) -> dict[str, int]:
        """Return how often each route was called."""
        return self._control("GET", "calls")

    def elsewhere(self) -> list[ForeignCall]:
        """Return what came to the other host, oldest first."""
        return [
            ForeignCall(
                method=call["method"],
                path=call["path"],
                headers=call["headers"],
                body=base64.b64decode(call["body"]),
            )
            for call in self._control("GET", "elsewhere")["calls"]
        ]

    def received(self) -> list[ReceivedImage]:
        """Return the input images of the last calls, oldest first: the bytes that arrived."""
        return received.read(self._control("GET", "received"))

    def script(self, **document: Any) -> None:
        """Plan latency and failures: `latency=0.2, fault={"kind": "status", "status": 503}`.

        :raises SimulatorFailed: if the simulator does not know something in it.
        """
        self._control("POST", "script", document)

    def fail(self, kind: str, **fault: Any) -> None:
        """Plan one failure; see `faults.KINDS`.

        :raises SimulatorFailed: if there is no such kind.
        """
        self.script(fault={"kind": kind, **fault})

    def reset(self) -> None:
        """Forget the script, the bill, all jobs and all counts."""
        self._control("POST", "reset", {})

    def _control(self, method: str, resource: str, document: Any = None) -> dict[str, Any]:
        parts = urlsplit(self.base_url)
        host, port = parts.hostname or "", parts.port
        connection = (
            http.client.HTTPSConnection(
                host, port, timeout=_CONTROL_SECONDS, context=self.client_context
            )
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, port, timeout=_CONTROL_SECONDS)
        )
        try:
            body = None if document is None else json.dumps(document)
            connection.request(method, f"/_simulator/{resource}", body=body)
            response = connection.getresponse()
            answer: dict[str, Any] = json.loads(response.read())
        finally:
            connection.close()
        if response.status not in _OK:
            raise SimulatorFailed(str(answer.get("problem", answer)))
        return answer

    def _first_line(self, process: subprocess.Popen[str]) -> str:
        if process.stdout is None:
            return ""
        ready, _, _ = select.select([process.stdout], [], [], _READY_SECONDS)
        line = process.stdout.readline() if ready else ""
        if ready and not line:
            # It has closed its output, but may not have ended yet.
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=60)
        if not line and process.poll() is not None and self._complaints is not None:
            self._complaints.seek(0)
            return self._complaints.read()[-500:]
        return line
