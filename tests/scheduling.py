"""Spread tests over the processes one by one, and keep those together that share a costly start.

`--dist loadgroup` would do it, but pytest-xdist 3.8 cannot name its groups under pytest 9.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # ships no types

if TYPE_CHECKING:
    import pytest

#: Where tests lie that share one demo or one wheel, to the name of what they share.
SHARED = {
    "tests/browser/test_interruptions.py": "demo",
    "tests/browser/test_compliance.py": "demo",
    "tests/browser/test_editor.py": "demo",
    "tests/browser/test_pages.py": "demo",
    "tests/browser/test_products.py": "demo",
    "tests/browser/test_without_script.py": "demo",
    "tests/journeys/test_main_job.py": "main job",
    "tests/architecture/test_wheel.py": "wheel",
}


class SharedStarts(LoadScopeScheduling):  # type: ignore[misc]  # as above
    """Give each process one test after the other, or all that share a start."""

    def _split_scope(self, nodeid: str) -> str:
        return SHARED.get(nodeid.partition("::")[0], nodeid)


def scheduler(config: pytest.Config, log: Any) -> SharedStarts | None:
    """Return our way to spread tests, unless another was asked for."""
    return SharedStarts(config, log) if config.getvalue("dist") == "loadscope" else None
