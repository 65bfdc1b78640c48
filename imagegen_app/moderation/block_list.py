"""Refuse prompts that hold a listed term, however it is dressed up."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from imagegen_app.core.states import VerdictOutcome
from imagegen_app.moderation.base import PASSED, ScreenerDecision, ScreenerFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Refused everywhere: sexual images of children and intimate images without consent.
DEFAULT_TERMS = (
    "child porn",
    "child pornography",
    "csam",
    "kinderporno",
    "kinderpornografie",
    "pornographie enfantine",
    "pédopornographie",
    "nudify",
    "undress her",
    "undress him",
    "deepfake nude",
    "revenge porn",
    "rachepornografie",
)
#: Letters of other scripts that look like Latin ones.
_LOOKALIKES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0455\u0458"
    "\u0501\u04bb\u04cf\u03b1\u03bf\u03c1\u03bd\u03b9",
    "aeopcyxisjdhlaopvi",
)
#: Digits and signs that stand for letters inside a word.
_LEET = str.maketrans("01345@$", "oieasas")
_INVISIBLE = {"Cf", "Mn", "Me", "Cc"}


class BlockList:
    """A list of terms; matched on whole words after folding case, accents and look-alikes."""

    def __init__(self, *, terms: Iterable[str] = (), file: str = "", defaults: bool = True) -> None:
        wanted = [*(DEFAULT_TERMS if defaults else ()), *terms]
        if file:
            try:
                lines = Path(file).read_text("utf-8").splitlines()
            except OSError:
                raise ScreenerFailed("the block list's file cannot be read") from None
            wanted += [line for line in lines if line.strip() and not line.startswith("#")]
        folded = {fold(term) for term in wanted if fold(term)}
        joined = "|".join(
            re.escape(term).replace(r"\ ", r"\s+") for term in sorted(folded, key=len, reverse=True)
        )
        self._pattern = re.compile(rf"(?<!\w)(?:{joined})(?!\w)") if joined else None

    def screen_text(self, text: str) -> ScreenerDecision:
        """Look for the terms in the text."""
        if self._pattern is None:
            return PASSED
        folded = fold(text)
        if not any(map(self._pattern.search, (folded, folded.translate(_LEET)))):
            return PASSED
        return ScreenerDecision(
            outcome=VerdictOutcome.BLOCKED,
            categories=("block_list",),
            remedy="Reword the prompt: it contains a blocked term.",
        )

    def screen_image(self, data: bytes, *, media_type: str) -> ScreenerDecision:  # noqa: ARG002 - a list of words sees no images
        """Let every image pass: this screener reads text."""
        return PASSED


def fold(text: str) -> str:
    """Return the text without case, accents, invisible signs and look-alike letters."""
    if text.isascii() and text.isprintable():
        # Nothing to take away; most prompts are like that.
        return " ".join(text.casefold().translate(_LOOKALIKES).split())
    plain = unicodedata.normalize("NFKD", text)
    kept = "".join(c for c in plain if c in "\n\t" or unicodedata.category(c) not in _INVISIBLE)
    return " ".join(kept.casefold().translate(_LOOKALIKES).split())
