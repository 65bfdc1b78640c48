"""The matrix of providers says of each adapter with what of others its calls were compared."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

from imagegen_app.providers import registry
from tests.providers.api_shapes.extract import CALLS

EXTENSIONS = Path(__file__).parents[2] / "docs" / "_ext"


@pytest.fixture
def matrix(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Return the rows of the matrix by their first cell."""
    monkeypatch.syspath_prepend(str(EXTENSIONS))
    provider_pages = importlib.import_module("provider_pages")
    lines = [one for one in provider_pages.providers().splitlines() if one.startswith("|")]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    sys.modules.pop("provider_pages", None)
    return {row[0]: row[1:] for row in rows}


def test_every_adapter_says_what_it_was_compared_with(matrix: dict[str, list[str]]) -> None:
    checked = dict(zip(registry.adapter_names(), matrix["checked by"], strict=True))

    assert all(checked.values())
    assert checked["comfyui"] == "our own simulator only"
    for name, said in checked.items():
        is_described = name in CALLS
        assert is_described == ("published API description" in said), name
        assert is_described or "client" in said or "simulator only" in said or name == "sandbox"


def test_operations_without_a_prompt_are_named(matrix: dict[str, list[str]]) -> None:
    named = dict(zip(registry.adapter_names(), matrix["no prompt for"], strict=True))

    assert named["automatic1111"] == "`upscale`, `restore_faces`"
    assert "`remove_background`" in named["recraft"]
    assert "`" not in named["openai"]


def test_what_the_rows_cannot_tell_is_said_in_words(matrix: dict[str, list[str]]) -> None:
    remarks = dict(zip(registry.adapter_names(), matrix["beside that"], strict=True))
    offered = dict(zip(registry.adapter_names(), matrix["`control`"], strict=True))
    by_what_is_set = {"automatic1111", "comfyui", "fal", "http_jobs", "replicate"}

    assert offered["bfl"] == "no"
    assert "has no call for `control`" in remarks["bfl"]
    assert {name for name in by_what_is_set if len(remarks[name]) < 20} == set()


def test_a_provider_that_is_said_to_have_no_call_describes_none() -> None:
    described = [call.lower() for call in CALLS["bfl"]]

    assert not any(word in call for call in described for word in ("control", "canny", "depth"))
