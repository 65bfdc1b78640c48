"""Start a process again when it dies, say so, and give up where that does not help."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from project.demo import processes

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

#: So many deaths within `RAPID_SECONDS` are too many.
MAX_RAPID_DEATHS = 5
RAPID_SECONDS = 60.0
#: Before the first restart; doubled with each further death in a row.
FIRST_DELAY_SECONDS = 0.5
#: How often the processes are looked at.
LOOK_SECONDS = 0.2


class KeepsDying(Exception):
    """A process died again and again; the message says what to do."""


@dataclass
class Supervised:
    """A process of the demo, and what became of the earlier ones."""

    #: What people call it, such as `worker`.
    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    say: Callable[[str], None]
    #: What people can do if it keeps dying.
    remedy: str
    clock: Callable[[], float] = time.monotonic
    process: subprocess.Popen[bytes] = field(init=False)
    _deaths: list[float] = field(default_factory=list)
    #: When the next one starts; None while one runs.
    _restart_at: float | None = None

    def __post_init__(self) -> None:
        self.process = self.start()

    def look(self) -> None:
        """Notice a death, and start the process again when its time has come.

        :raises KeepsDying: if it died too often in a short time.
        """
        now = self.clock()
        if self._restart_at is not None:
            if now >= self._restart_at:
                self.process, self._restart_at = self.start(), None
                self.say(f"A new {self.name} runs.")
            return
        if self.process.poll() is None:
            return
        self._deaths = [death for death in self._deaths if now - death < RAPID_SECONDS] + [now]
        how = _how_it_ended(self.process.returncode)
        if len(self._deaths) >= MAX_RAPID_DEATHS:
            raise KeepsDying(
                f"the {self.name} died {len(self._deaths)} times within a minute, last {how}. "
                f"{self.remedy}"
            )
        delay = FIRST_DELAY_SECONDS * 2.0 ** (len(self._deaths) - 1)
        self._restart_at = now + delay
        self.say(f"The {self.name} died ({how}); a new one starts in {delay:g} s!")


@contextmanager
def supervised(
    name: str, *arguments: str, say: Callable[[str], None], remedy: str, quiet: bool = False
) -> Iterator[Supervised]:
    """Have a management command run while the block does, and start it again with each `look`."""
    child = Supervised(
        name=name,
        start=lambda: processes.start(*arguments, quiet=quiet),
        say=say,
        remedy=remedy,
    )
    try:
        yield child
    finally:
        processes.stop(child.process)


def watch(*children: Supervised) -> None:
    """Look after the processes until one keeps dying or somebody interrupts.

    :raises KeepsDying: if one died too often in a short time.
    """
    while True:
        for child in children:
            child.look()
        time.sleep(LOOK_SECONDS)


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"with exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
