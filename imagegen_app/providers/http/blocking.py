"""Make a call from synchronous code: the same client, guarded alike, with one limit of time."""

from __future__ import annotations

import asyncio
import functools
import time
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from imagegen_app.core.errors import OutcomeUnknown, ProviderError, ProviderTimeout
from imagegen_app.providers import addresses
from imagegen_app.providers.http.client import HttpClient
from imagegen_app.providers.http.values import HttpLimits, Reply
from imagegen_app.providers.retry_after import retry_after

if TYPE_CHECKING:
    from collections.abc import Coroutine

#: Answers after which a call is made once more, where the caller allows it.
RETRIED: Final = frozenset({429, *range(500, 600)})
#: Seconds before the second call where the server names none.
_PAUSE_SECONDS = 0.5
#: Seconds that the thread of a call has to end by itself, once its time is over.
_GRACE_SECONDS = 0.5
_SILENCE = "no answer within the limit of time"


@dataclass(frozen=True, slots=True)
class BlockingClient:
    """Calls a server and waits for its answer, for at most so many seconds in all.

    Each call has connections, a thread and an event loop of its own, so that it may be made from
    any thread, also one with a running loop, and neither a fork nor a name server that hangs can
    keep the caller.
    """

    #: Origins, such as `http://127.0.0.1:8080`, that may be called though they are private or plain.
    trusted_origins: frozenset[str] = frozenset()
    limits: HttpLimits = field(default_factory=HttpLimits)
    resolver: addresses.Resolver = addresses.resolve

    def can_call(self, url: str) -> bool:
        """Tell whether an API at this URL may be called: https, or a trusted origin."""
        return HttpClient(trusted_origins=self.trusted_origins).can_call(url)

    def send(
        self, method: str, url: str, *, seconds: float, retries: int = 0, **options: Any
    ) -> Reply:
        """Make one call as `HttpClient.send` does, whose further options it takes.

        `retries` is how often it is made again after an answer 429 or 5xx, if the wait that the
        server asks for fits into the seconds. Any answer is returned, also one of an error.

        :raises OutcomeUnknown: if no answer came in time to a call with `billable=True`.
        :raises ProviderTimeout: if no answer came in time.
        :raises ProviderError: as `HttpClient.send` does.
        """
        answer: Future[Reply] = Future()
        call = self._send(method, url, seconds, retries, options)
        late = OutcomeUnknown if options.get("billable") else ProviderTimeout
        # In the caller's context, as far as contextvars go: its logs belong to the same request.
        run = functools.partial(copy_context().run, _run, answer, call, seconds, late)
        # A daemon: a look-up that hangs cannot be cancelled, and must not keep the process.
        Thread(target=run, name="imagegen-http", daemon=True).start()
        try:
            return answer.result(timeout=seconds + _GRACE_SECONDS)
        except TimeoutError:
            raise late(detail=_SILENCE) from None

    async def _send(
        self, method: str, url: str, seconds: float, retries: int, options: dict[str, Any]
    ) -> Reply:
        limits = replace(self.limits, connect=min(self.limits.connect, seconds))
        until = time.monotonic() + seconds
        async with HttpClient(
            limits=limits,
            trusted_origins=self.trusted_origins,
            resolver=self.resolver,
        ) as http:
            while True:
                reply = await http.send(method, url, **options)
                if reply.status not in RETRIED or retries <= 0:
                    return reply
                asked = retry_after(reply.headers)
                pause = _PAUSE_SECONDS if asked is None else asked
                if time.monotonic() + pause >= until:
                    return reply
                retries -= 1
                await asyncio.sleep(pause)


def _run(
    answer: Future[Reply],
    call: Coroutine[Any, Any, Reply],
    seconds: float,
    late: type[ProviderError],
) -> None:
    async def wait() -> None:
        try:
            async with asyncio.timeout(seconds):
                answer.set_result(await call)
        except TimeoutError:
            answer.set_exception(late(detail=_SILENCE))
        except Exception as error:  # noqa: BLE001 - whatever it raises goes to who waits
            answer.set_exception(error)

    # It returns only when a hanging look-up has ended: the answer is set from inside.
    asyncio.run(wait())
