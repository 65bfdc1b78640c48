"""Run the work at once in the enqueuing process; for tests and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.module_loading import import_string

from imagegen_app.engines.base import TASK_PATHS, SettingsIssue

if TYPE_CHECKING:
    from collections.abc import Callable


class ImmediateEngine:
    """Run each wake-up's function before `enqueue` returns."""

    label: ClassVar[str] = "immediate"
    can_delay: ClassVar[bool] = False
    has_worker: ClassVar[bool] = False
    default_concurrency: ClassVar[int] = 1

    def __init__(self) -> None:
        self._busy = False

    def enqueue(self, name: str, *, delay: float = 0) -> None:
        """Run the wake-up's function; a wake-up for later, or from inside a run, is left to the sweep."""
        if self._busy or delay:
            return
        self._busy = True
        try:
            import_string(TASK_PATHS[name])()
        finally:
            self._busy = False

    def check_settings(self, site: Any) -> list[SettingsIssue]:  # noqa: ARG002 - the port's
        """Find nothing: there is nothing to set."""
        return []

    def ping(self) -> None:
        """Do nothing: there is no broker."""

    def run_worker(self, *, stopping: Callable[[], None], drives: int) -> None:  # noqa: ARG002 - the port's
        """Return at once: the enqueuing process does the work."""
        stopping()
