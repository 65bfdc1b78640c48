"""The smallest protocol of a stranger's provider."""

from __future__ import annotations

from typing import ClassVar

from imagegen_app.testing.simulator import asgi
from imagegen_app.testing.simulator.protocol import Protocol


class PainterProtocol(Protocol):
    """Answers one path."""

    name: ClassVar[str] = "painter"

    async def serve(self, call: asgi.Call) -> asgi.Answer | None:
        return asgi.reply({"painted": True}) if call.path == "/paint" else None
