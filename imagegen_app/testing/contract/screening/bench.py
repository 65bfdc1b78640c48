"""Ask a screener about samples, and watch it: errors, logs, time, and what its service received."""

from __future__ import annotations

import logging
import os
import time
import traceback
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from imagegen_app.moderation.base import ScreenerDecision, ScreenerFailed
from imagegen_app.providers.credentials import Credential
from imagegen_app.providers.http import BlockingClient, Connection
from imagegen_app.testing.contract.bench import KEY, KEY_VARIABLE, ContractBroken
from imagegen_app.testing.contract.screening.samples import BASE_URL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imagegen_app.moderation.base import Screener
    from imagegen_app.testing.contract.screening.samples import ScreenerSamples
    from imagegen_app.testing.simulator.process import SimulatorProcess

#: Part of every text that is screened: whatever shows it has leaked the text.
TEXT_MARK = "canary-7f3a9c"


class ScreenerBench:
    """One screener beside its service."""

    def __init__(self, samples: ScreenerSamples, *, simulator: SimulatorProcess | None) -> None:
        self.samples = samples
        self._simulator = simulator
        #: All that was written to logs, as it would be shown, with tracebacks.
        self.logged: list[str] = []
        #: How long the last question took.
        self.seconds = 0.0

    @property
    def simulator(self) -> SimulatorProcess:
        """The running simulator.

        :raises ContractBroken: if the samples name no protocol.
        """
        if self._simulator is None:
            raise ContractBroken("the samples of a screener that makes calls need a protocol")
        return self._simulator

    def build(self, **changes: Any) -> Screener:
        """Return the screener with its options, and with some of them changed."""
        module, _dot, name = self.samples.screener.replace(":", ".").rpartition(".")
        kind = getattr(import_module(module), name)
        options: dict[str, Any] = self._filled({**self.samples.options, **changes})
        if getattr(kind, "needs_connection", False):
            base = self.simulator.base_url
            credential = Credential("contract", (f"env:{KEY_VARIABLE}",), frozenset({"127.0.0.1"}))
            options["connection"] = Connection(
                http=BlockingClient(trusted_origins=frozenset({base})), credential=credential
            )
        screener: Screener = kind(**options)
        return screener

    def text(self, text: str, *, screener: Screener | None = None) -> ScreenerDecision:
        """Have a text screened, with a mark in it.

        :raises ScreenerFailed: as the screener does.
        :raises ContractBroken: if it raises anything else.
        """
        asked = screener or self.build()
        return self._asked(lambda: asked.screen_text(f"{text} {TEXT_MARK}"))

    def image(self, data: bytes, *, screener: Screener | None = None) -> ScreenerDecision:
        """Have a PNG screened.

        :raises ScreenerFailed: as the screener does.
        :raises ContractBroken: if it raises anything else.
        """
        asked = screener or self.build()
        return self._asked(lambda: asked.screen_image(data, media_type="image/png"))

    def fails(self, ask: Callable[[], ScreenerDecision]) -> ScreenerFailed | None:
        """Return the failure of a question; None if the screener decided."""
        try:
            ask()
        except ScreenerFailed as failure:
            return failure
        return None

    def call_count(self) -> int:
        """Return how often the service was called."""
        return sum(self.simulator.calls().values())

    def _asked(self, ask: Callable[[], object]) -> ScreenerDecision:
        began = time.monotonic()
        try:
            decision = ask()
        except ScreenerFailed:
            raise
        except Exception as error:
            name = type(error).__name__
            raise ContractBroken(f"{name} instead of a decision or ScreenerFailed") from error
        finally:
            self.seconds = time.monotonic() - began
        if not isinstance(decision, ScreenerDecision):
            raise ContractBroken(f"{type(decision).__name__} instead of a ScreenerDecision")
        return decision

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._filled(one) for name, one in value.items()}
        if isinstance(value, str) and BASE_URL in value:
            return value.replace(BASE_URL, self.simulator.base_url)
        return value

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Hold the key in the environment, and keep what is logged at any level."""
        handler = _Keeper(self.logged)
        root = logging.getLogger()
        level = root.level
        os.environ[KEY_VARIABLE] = KEY
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            root.setLevel(level)
            root.removeHandler(handler)
            os.environ.pop(KEY_VARIABLE, None)


class _Keeper(logging.Handler):
    """Keeps each record as text."""

    def __init__(self, kept: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._kept = kept
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(self.format(record))


def all_said(error: BaseException) -> str:
    """Return what an error shows: its message, its values, and the errors that it comes with."""
    shown = "".join(traceback.format_exception(error))
    return f"{shown}{error.args!r}{vars(error)!r}"
