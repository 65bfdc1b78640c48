"""Block prompts that contain a listed term, also if it is disguised by look-alike characters."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from imagegen_app.core.states import VerdictOutcome
from imagegen_app.moderation.base import PASSED, ScreenerDecision, ScreenerFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Blocked unless a site sets `defaults=False`: sexual images of children, and intimate images
#: without consent.
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
#: Digits and signs that are used in place of letters.
_LEET = str.maketrans("01345@$", "oieasas")
#: Unicode categories that are removed: format characters, combining marks, control characters.
_REMOVED_CATEGORIES = {"Cf", "Mn", "Me", "Cc"}


class BlockList:
    """A screener that blocks prompts with listed terms.

    Terms match whole words, regardless of case, accents and look-alike characters. Listed are
    `DEFAULT_TERMS` unless `defaults` is false, `terms`, and the lines of the text file `file`;
    lines that start with # are comments.

    :raises ScreenerFailed: if the file cannot be read.
    """

    def __init__(self, *, terms: Iterable[str] = (), file: str = "", defaults: bool = True) -> None:
        listed = [*(DEFAULT_TERMS if defaults else ()), *terms]
        if file:
            try:
                lines = Path(file).read_text("utf-8").splitlines()
            except OSError:
                raise ScreenerFailed("the block list's file cannot be read") from None
            listed += [line for line in lines if line.strip() and not line.startswith("#")]
        folded = {fold(term) for term in listed if fold(term)}
        joined = "|".join(
            re.escape(term).replace(r"\ ", r"\s+") for term in sorted(folded, key=len, reverse=True)
        )
        self._pattern = re.compile(rf"(?<!\w)(?:{joined})(?!\w)") if joined else None

    def screen_text(self, text: str) -> ScreenerDecision:
        """Block the text if it contains a listed term."""
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

    def screen_image(self, data: bytes, *, media_type: str) -> ScreenerDecision:  # noqa: ARG002 - the interface's
        """Return `PASSED` for every image, since a list of terms applies to text only."""
        return PASSED


def fold(text: str) -> str:
    """Return the text in lower case, with single spaces, and reduced to plain letters.

    Accents and invisible characters are removed, and look-alikes replaced by Latin letters.
    """
    if text.isascii() and text.isprintable():
        # Faster for most prompts: there is nothing to remove.
        return " ".join(text.casefold().translate(_LOOKALIKES).split())
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(
        c for c in decomposed if c in "\n\t" or unicodedata.category(c) not in _REMOVED_CATEGORIES
    )
    return " ".join(plain.casefold().translate(_LOOKALIKES).split())
