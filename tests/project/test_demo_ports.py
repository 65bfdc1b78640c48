"""Several demos on one machine, such as those of the tests, do not take each other's ports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from project.demo import captions, simulated
from project.settings import simulator

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


@pytest.mark.parametrize("part", [captions, simulated], ids=["captions", "provider"])
def test_demos_that_start_at_once_choose_different_addresses(
    part: ModuleType, settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(part, "VAR_DIR", tmp_path)
    settings.IMAGEGEN = {**settings.IMAGEGEN}
    for variable in (simulator.URL_VARIABLE, simulator.CAPTIONS_URL_VARIABLE):
        monkeypatch.setenv(variable, "")

    # None of them listens yet.
    chosen = {part.prepare() for _ in range(5)}

    assert len(chosen) > 1
