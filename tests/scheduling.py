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
    "tests/journeys/test_demo_providers.py": "main job at each provider",
    "tests/providers/live": "contract",
    "tests/providers/test_contract.py": "contract",
    "tests/providers/test_planted_faults.py": "planted faults",
    "tests/testing/test_automatic1111_protocol.py": "protocols",
    "tests/testing/test_azure_openai_protocol.py": "protocols",
    "tests/testing/test_bedrock_client.py": "protocols",
    "tests/testing/test_bedrock_protocol.py": "protocols",
    "tests/testing/test_official_clients.py": "protocols",
    "tests/testing/test_openai_compatible_protocol.py": "protocols",
    "tests/testing/test_openai_protocol.py": "protocols",
    "tests/testing/test_replicate_protocol.py": "protocols",
    "tests/testing/test_stability_protocol.py": "protocols",
    "tests/journeys/test_main_job.py": "main job",
    "tests/project/test_pages.py": "shop",
    "tests/architecture/test_wheel.py": "wheel",
}


#: Of so many processes the last begins with the quick tests, which stand behind the slow ones.
_PROCESSES_PER_QUICK_ONE = 4


class SharedStarts(LoadScopeScheduling):  # type: ignore[misc]  # as above
    """Give each process one test after the other, or all that share a start.

    Slow tests mostly wait for processes of their own: if all processes began with them, the cores
    would idle at first and be contended for later. So each fourth process begins at the other end.
    """

    def _assign_work_unit(self, node: Any) -> None:
        if self.nodes.index(node) % _PROCESSES_PER_QUICK_ONE == _PROCESSES_PER_QUICK_ONE - 1:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return SHARED.get(path) or SHARED.get(path.rpartition("/")[0], nodeid)


def scheduler(config: pytest.Config, log: Any) -> SharedStarts | None:
    """Return our way to spread tests, unless another was asked for."""
    return SharedStarts(config, log) if config.getvalue("dist") == "loadscope" else None
