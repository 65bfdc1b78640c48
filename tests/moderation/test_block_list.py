"""A listed term is found also if it is disguised, and no other word is blocked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagegen_app.core.states import VerdictOutcome
from imagegen_app.moderation.base import PASSED, ScreenerFailed
from imagegen_app.moderation.block_list import BlockList

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "text",
    [
        "nudify",
        "A photo to NUDIFY, please",
        "nud1fy",
        "nüdify",
        "nu\u200bdify",
        "nud\u0456fy",
        "revenge   porn",
        "revenge-porn",
        "undress_her",
        "photo_nudify_mug",
        "nud\N{LATIN SMALL LETTER DOTLESS I}fy",
        "nud\N{LATIN LETTER SMALL CAPITAL I}fy",
        "nu\N{HANGUL FILLER}dify",
        "nu\N{BRAILLE PATTERN BLANK}dify",
        "revenge\nporn",
        "p\N{LATIN SMALL LETTER E WITH ACUTE}dopornographie",
        "pedopornographie",
    ],
)
def test_a_disguised_term_is_found(text: str) -> None:
    assert BlockList().screen_text(text).outcome is VerdictOutcome.BLOCKED


@pytest.mark.parametrize("text", ["A red mug", "nudifying", "denudify_", "revenge of the mugs", ""])
def test_other_words_pass(text: str) -> None:
    assert BlockList().screen_text(text) == PASSED


def test_a_sites_own_terms_extend_or_replace_the_default_ones(tmp_path: Path) -> None:
    file = tmp_path / "terms.txt"
    file.write_text("# competitors\nAcme Corp\n", encoding="utf-8")
    screener = BlockList(terms=["Globex"], file=str(file), defaults=False)

    assert screener.screen_text("A mug of ACME corp").outcome is VerdictOutcome.BLOCKED
    assert screener.screen_text("A mug of globex").outcome is VerdictOutcome.BLOCKED
    assert screener.screen_text("nudify") == PASSED


def test_an_unreadable_file_of_terms_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ScreenerFailed):
        BlockList(file=str(tmp_path / "gone.txt"))


def test_a_block_list_lets_every_image_pass() -> None:
    assert BlockList().screen_image(b"", media_type="image/png") == PASSED
