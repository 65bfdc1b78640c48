"""Block prompts that contain a listed term, also if it is disguised by look-alike characters."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from imagegen_app.core.hard_categories import HardCategory, read_hard_category
from imagegen_app.core.states import VerdictOutcome
from imagegen_app.moderation.base import PASSED, ScreenerDecision, ScreenerFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Blocked unless a site sets `defaults=False`, by hard category: nobody can release them.
HARD_TERMS: Mapping[HardCategory, tuple[str, ...]] = {
    HardCategory.SEXUAL_MINORS: (
        "child porn",
        "child pornography",
        "csam",
        "kinderporno",
        "kinderpornografie",
        "pornographie enfantine",
        "pédopornographie",
    ),
    HardCategory.INTIMATE_IMAGES: (
        "nudify",
        "undress her",
        "undress him",
        "deepfake nude",
        "revenge porn",
        "rachepornografie",
    ),
}
DEFAULT_TERMS = tuple(term for terms in HARD_TERMS.values() for term in terms)
#: Letters of other scripts that look like Latin ones.
_LOOKALIKES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0455\u0458"
    "\u0501\u04bb\u04cf\u03b1\u03bf\u03c1\u03bd\u03b9"
    # A dotless i, a script g, small capitals, and Cyrillic and Armenian letters.
    "\u0131\u0261\u1d00\u0299\u1d04\u1d05\u1d07\ua730\u0262\u029c\u026a\u1d0a\u1d0b\u029f"
    "\u1d0d\u0274\u1d0f\u1d18\u0280\ua731\u1d1b\u1d1c\u1d20\u1d21\u028f\u1d22\u043a\u043c\u0442\u0578\u057d",
    "aeopcyxisjdhlaopviigabcdefghijklmnoprstuvwyzkmtnu",
)
#: Letters and signs that are drawn as nothing, beside format characters.
_INVISIBLE = frozenset("\u115f\u1160\u2800\u3164\uffa0")
#: Digits and signs that are used in place of letters.
_LEET = str.maketrans("01345@$", "oieasas")
#: Unicode categories that are removed: format characters, combining marks, control characters.
_REMOVED_CATEGORIES = {"Cf", "Mn", "Me", "Cc"}


class BlockList:
    """A screener that blocks prompts with listed terms.

    Terms match whole words, regardless of case, accents and look-alike characters. Listed are
    `DEFAULT_TERMS` unless `defaults` is false, `terms`, and the lines of the text file `file`;
    lines that start with # are comments. With `hard_category`, such as `sexual_minors`, what
    `terms` and `file` list blocks for good, as the terms of `HARD_TERMS` always do; give terms of
    another kind to a second block list.

    :raises ScreenerFailed: if the file cannot be read.
    :raises InvalidHardCategory: if there is no such category.
    """

    #: A list of terms lets every image pass; checks of the settings do not count it as one of images.
    judges_images: ClassVar[bool] = False

    def __init__(
        self,
        *,
        terms: Iterable[str] = (),
        file: str = "",
        defaults: bool = True,
        hard_category: str = "",
    ) -> None:
        own = read_hard_category(hard_category) if hard_category else None
        listed = [*terms]
        if file:
            try:
                lines = Path(file).read_text("utf-8").splitlines()
            except OSError:
                raise ScreenerFailed("the block list's file cannot be read") from None
            listed += [line for line in lines if line.strip() and not line.startswith("#")]
        patterns: dict[HardCategory | None, re.Pattern[str] | None] = {}
        # The gravest first: of two terms in one text, that decides.
        for category in (*HardCategory, None):
            built_in = HARD_TERMS[category] if defaults and category is not None else ()
            patterns[category] = _pattern([*built_in, *(listed if category is own else ())])
        self._patterns = {c: pattern for c, pattern in patterns.items() if pattern is not None}

    def screen_text(self, text: str) -> ScreenerDecision:
        """Block the text if it contains a listed term."""
        if not self._patterns:
            return PASSED
        folded = fold(text)
        spellings = (folded, folded.translate(_LEET))
        for category, pattern in self._patterns.items():
            if any(map(pattern.search, spellings)):
                return ScreenerDecision(
                    outcome=VerdictOutcome.BLOCKED,
                    categories=("block_list",),
                    remedy="Reword the prompt: it contains a blocked term.",
                    hard_category=category,
                )
        return PASSED

    def screen_image(self, data: bytes, *, media_type: str) -> ScreenerDecision:  # noqa: ARG002 - the interface's
        """Return `PASSED` for every image, since a list of terms applies to text only."""
        return PASSED


def _pattern(terms: Iterable[str]) -> re.Pattern[str] | None:
    folded = {fold(term) for term in terms if fold(term)}
    joined = "|".join(
        re.escape(term).replace(r"\ ", r"[\W_]+") for term in sorted(folded, key=len, reverse=True)
    )
    return re.compile(rf"(?<![^\W_])(?:{joined})(?![^\W_])") if joined else None


def fold(text: str) -> str:
    """Return the text in lower case, with single spaces, and reduced to plain letters.

    Accents and invisible characters are removed, and look-alikes replaced by Latin letters.
    """
    if text.isascii() and text.isprintable():
        # Faster for most prompts: there is nothing to remove.
        return " ".join(text.casefold().translate(_LOOKALIKES).split())
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(
        c
        for c in decomposed
        if c in "\n\t"
        or (c not in _INVISIBLE and unicodedata.category(c) not in _REMOVED_CATEGORIES)
    )
    return " ".join(plain.casefold().translate(_LOOKALIKES).split())
