"""Define what a protocol of the simulator is: one provider's API, as strict as the real one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from imagegen_app.testing.simulator.asgi import Answer, Call, Socket
    from imagegen_app.testing.simulator.state import State


class Protocol(ABC):
    """One provider's API.

    It refuses what the real API refuses (unknown fields, models, sizes and parameters; a mask of
    another size), in the real API's error shapes; `refusals.Refused` carries the reason there.
    """

    #: The name by which it is chosen; that of the adapter that speaks it.
    name: ClassVar[str]
    #: What an account's base URL has behind the simulator's address.
    base_path: ClassVar[str] = ""
    #: Paths that go on with an identifier: calls are counted under `{id}` instead.
    id_prefixes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, state: State) -> None:
        self.state = state

    @abstractmethod
    async def serve(self, call: Call) -> Answer | None:
        """Answer a call; None where its path is not one of this API."""

    async def serve_websocket(self, call: Call, socket: Socket) -> bool | None:
        """Speak over a websocket until the other side goes; None where the path is not one here.

        Returns whether the connection is to be broken then.
        """
        del call, socket
        return None

    def reset(self) -> None:  # noqa: B027 - an API without jobs has nothing to forget
        """Forget all jobs."""
