"""Run the simulator with uvicorn."""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagegen_app.providers.credentials import Secret
from imagegen_app.testing.simulator.app import Simulator
from imagegen_app.testing.simulator.bill import Bill
from imagegen_app.testing.simulator.faults import Script
from imagegen_app.testing.simulator.protocols import load_each, protocol_names
from imagegen_app.testing.simulator.state import State

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_KEY = "simulator-key"
#: Everybody knows it: it signs nothing but the simulator's webhooks.
DEFAULT_WEBHOOK_SECRET = "whsec_c2ltdWxhdG9yLXdlYmhvb2stc2VjcmV0LTAwMDE="  # noqa: S105


class UvicornMissing(Exception):
    """The simulator needs uvicorn: install `imagegen-app[simulator]`."""

    def __str__(self) -> str:
        return "the simulator needs uvicorn: pip install 'imagegen-app[simulator]'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; the management command has the same ones."""
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8123, help="0 takes a free port")
    parser.add_argument("--key", action="append", help="an API key that is accepted; repeatable")
    parser.add_argument(
        "--protocol",
        action="append",
        help=f"which APIs it speaks; repeatable; all of {', '.join(protocol_names())} by default, "
        "or module:Class of your own",
    )
    parser.add_argument("--webhook-secret", default=DEFAULT_WEBHOOK_SECRET)
    parser.add_argument("--bill", type=Path, help="the file that stores the bill")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--fail-rate", type=float, default=0.0, help="share of calls that fail")
    parser.add_argument("--fail-status", type=int, default=503, help="how they fail")
    parser.add_argument("--seed", type=int, default=0, help="of the dice for --fail-rate")
    parser.add_argument("--quick", action="store_true", help="plain images, for load tests")
    parser.add_argument(
        "--certificate", type=Path, help="a PEM file with key and certificate: speak TLS by it"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON line when ready")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until interrupted."""
    parser = argparse.ArgumentParser(prog="imagegen_simulator", description=__doc__)
    add_arguments(parser)
    run(vars(parser.parse_args(arguments)))


def run(options: dict[str, Any]) -> None:
    """Run until interrupted, by parsed options.

    :raises UvicornMissing: if uvicorn is not installed.
    """
    try:
        import uvicorn  # noqa: PLC0415  (optional: only whoever runs the simulator has it)
        from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: PLC0415
    except ImportError:
        raise UvicornMissing from None

    connections: dict[tuple[str, int], asyncio.Transport] = {}

    class Protocol(H11Protocol):
        """Remembers its connection, so that it can be broken."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            self.peer = transport.get_extra_info("peername")[:2]
            connections[self.peer] = transport
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.pop(self.peer, None)
            super().connection_lost(exc)

    def hang_up(client: tuple[str, int] | None) -> None:
        transport = connections.get(client) if client else None
        if transport is not None:
            transport.abort()

    listener = socket.create_server((options["host"], options["port"]), backlog=512)
    host, port = listener.getsockname()[:2]
    # Another origin, as the storage of results and the receiver of webhooks are.
    other = socket.create_server((options["host"], 0), backlog=64)
    other_port = other.getsockname()[1]
    scheme = "https" if options["certificate"] else "http"
    state = State(
        keys=tuple(options["key"] or [DEFAULT_KEY]),
        bill=Bill(options["bill"] or Path(tempfile.mkdtemp(prefix="imagegen-bill-")) / "bill"),
        script=_script(options),
        webhook_secret=Secret(options["webhook_secret"]),
        quick=options["quick"],
        other_origin=f"{scheme}://{host}:{other_port}",
        certificate=options["certificate"],
    )
    app = Simulator(
        protocols=load_each(options["protocol"] or ()),
        state=state,
        hang_up=hang_up,
        other_port=other_port,
    )
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="websockets-sansio",
        lifespan="off",
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=1,
        ssl_certfile=options["certificate"],
    )
    ready = {
        "base_url": f"{scheme}://{host}:{port}",
        "openai": f"{scheme}://{host}:{port}/v1",
        "other": state.other_origin,
    }
    line = json.dumps(ready) if options["json"] else f"Simulator at {ready['base_url']}"
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
    uvicorn.Server(config).run(sockets=[listener, other])


def _script(options: dict[str, Any]) -> Script:
    script = Script(latency=options["latency"], seed=options["seed"])
    if options["fail_rate"]:
        fault = {
            "kind": "status",
            "status": options["fail_status"],
            "fraction": options["fail_rate"],
            "times": None,
        }
        script.change({"fault": fault})
    return script
