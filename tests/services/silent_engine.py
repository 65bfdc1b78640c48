"""An engine that notes who rang and wakes nobody: the test drives by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagegen_app.engines.base import SettingsIssue


class SilentEngine:
    """Note the rings."""

    label: ClassVar[str] = "silent"
    can_delay: ClassVar[bool] = True
    has_worker: ClassVar[bool] = False
    default_concurrency: ClassVar[int] = 1
    rung: ClassVar[list[str]] = []

    def enqueue(self, name: str, *, delay: float = 0) -> None:
        self.rung.append(name)

    def check_settings(self, site: Any) -> list[SettingsIssue]:
        return []

    def ping(self) -> None:
        pass

    def run_worker(self, *, stopping: Callable[[], None], drives: int) -> None:
        stopping()
