from __future__ import annotations

from typing import Any

import pytest

from imagegen_app.core.passes import (
    Pass,
    PassError,
    parse,
    passes_from,
)
from imagegen_app.core.types import Operation, Size


@pytest.mark.parametrize(
    ("text", "one"),
    [
        ("upscale:2:m", Pass(Operation.UPSCALE, "m", 2)),
        ("upscale:4:a-b", Pass(Operation.UPSCALE, "a-b", 4)),
        ("upscale:m", Pass(Operation.UPSCALE, "m", 2)),
        ("remove_background:m", Pass(Operation.REMOVE_BACKGROUND, "m", 1)),
        ("restore_faces:m", Pass(Operation.RESTORE_FACES, "m", 1)),
        ("edit:m:Fix: the sign", Pass(Operation.EDIT, "m", 1, "Fix: the sign")),
    ],
)
def test_a_pass_is_parsed_and_printed(text: str, one: Pass) -> None:
    assert parse(text) == one
    assert parse(str(one)) == one
    assert passes_from([one.as_dict()]) == (one,)


@pytest.mark.parametrize(
    "rows",
    [
        ["generate:m"],
        ["upscale:5:m"],
        ["upscale:x:m"],
        ["upscale:2:"],
        ["remove_background:2:m"],
        ["remove_background"],
        [""],
        [{}],
        [{"operation": "upscale", "model": "m", "factor": -1}],
        ["upscale:2:m"] * 4,
        ["edit:m"],
        ["edit:m:  "],
        ["edit::Fix the sign"],
        ["edit:m:\x00\x07"],
        [f"edit:m:{'x' * 1001}"],
        [{"operation": "edit", "model": "m", "factor": 2, "instruction": "Fix"}],
        [{"operation": "upscale", "model": "m", "factor": 2, "instruction": "Fix"}],
        ["inpaint:m"],
    ],
)
def test_an_invalid_pass_is_refused(rows: list[Any]) -> None:
    with pytest.raises(PassError):
        passes_from(rows)


def test_a_pass_enlarges_the_image_or_does_not_change_its_size() -> None:
    assert parse("upscale:3:m").size_after(Size(100, 50)) == Size(300, 150)
    assert parse("remove_background:m").size_after(Size(100, 50)) == Size(100, 50)


def test_an_instruction_loses_what_only_a_machine_would_read() -> None:
    assert parse("edit:m: Fix\x00 the\tsign \x1b").instruction == "Fix the\tsign"


def test_a_pass_without_an_instruction_is_stored_as_before() -> None:
    assert parse("upscale:2:m").as_dict() == {"operation": "upscale", "model": "m", "factor": 2}
