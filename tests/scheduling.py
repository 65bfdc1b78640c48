"""Spread tests over the processes one by one, and keep those together that share a costly start.

`--dist loadgroup` would do it, but pytest-xdist 3.8 cannot name its groups under pytest 9.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # ships no types

if TYPE_CHECKING:
    import pytest

#: Files and folders whose tests share a costly start, to the name of what they share.
SHARED = {
    "tests/browser": "browser and demo",
    "tests/journeys/test_demo_deaths.py": "main job",
    "tests/journeys/test_main_job.py": "main job",
    "tests/project/test_pages.py": "shop",
    "tests/architecture/test_wheel.py": "wheel",
}


class SharedStarts(LoadScopeScheduling):  # type: ignore[misc]  # as above
    """Give each process one test after the other, or all that share a start."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return SHARED.get(path) or SHARED.get(path.rpartition("/")[0], nodeid)


def scheduler(config: pytest.Config, log: Any) -> SharedStarts | None:
    """Return our way to spread tests, unless another was asked for."""
    return SharedStarts(config, log) if config.getvalue("dist") == "loadscope" else None
