"""Run the work at once in the ringing process; for tests and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.utils.module_loading import import_string

from imagegen_app.engines.base import BELLS

if TYPE_CHECKING:
    from collections.abc import Callable


class ImmediateEngine:
    """Answer each bell before `ring` returns."""

    label: ClassVar[str] = "immediate"
    can_delay: ClassVar[bool] = False
    has_worker: ClassVar[bool] = False

    def __init__(self) -> None:
        self._busy = False

    def ring(self, name: str, *, delay: float = 0) -> None:
        """Run the bell's function; a ring for later, or from inside a run, is left to the sweep."""
        if self._busy or delay:
            return
        self._busy = True
        try:
            import_string(BELLS[name])()
        finally:
            self._busy = False

    def run_worker(self, *, stopping: Callable[[], None]) -> None:
        """Return at once: the ringing process does the work."""
        stopping()
