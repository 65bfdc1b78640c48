"""The smallest protocol of a stranger's provider."""

from __future__ import annotations

import sys
from typing import ClassVar

from imagegen_app.testing.simulator import asgi
from imagegen_app.testing.simulator.protocol import Protocol


class PainterProtocol(Protocol):
    """Answers one path, and complains at another one of more than a pipe holds."""

    name: ClassVar[str] = "painter"

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        if call.path == "/complain":
            sys.stderr.write("no colours left\n" * 100_000)
        return asgi.reply({"painted": True}) if call.path in {"/paint", "/complain"} else None
