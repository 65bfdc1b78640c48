"""An engine that notes who rang and wakes nobody: the test drives by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable


class SilentEngine:
    """Note the rings."""

    label: ClassVar[str] = "silent"
    can_delay: ClassVar[bool] = True
    has_worker: ClassVar[bool] = False
    rung: ClassVar[list[str]] = []

    def ring(self, name: str, *, delay: float = 0) -> None:
        self.rung.append(name)

    def run_worker(self, *, stopping: Callable[[], None]) -> None:
        stopping()
