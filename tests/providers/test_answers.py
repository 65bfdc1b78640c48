"""An answer on disk is complete when its note was written, last of all, and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_app.providers.answers import SpooledAnswer

if TYPE_CHECKING:
    from pathlib import Path


def test_an_answer_is_complete_only_when_its_note_was_written(tmp_path: Path) -> None:
    answer = SpooledAnswer(tmp_path / "answer")

    states = [answer.is_complete]
    answer.folder.mkdir()
    states.append(answer.is_complete)
    (answer.folder / "body").write_bytes(b"half of it")
    states.append(answer.is_complete)
    (answer.folder / "note.json").write_text("{}", encoding="utf-8")
    states.append(answer.is_complete)

    assert states == [False, False, False, True]
