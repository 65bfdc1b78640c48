"""Hold what a provider's own check says of the marks in a file: found or not, and by whom made."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from imagegen_app.core.provider_text import MAX_LINE_CHARS, MAX_WORD_CHARS, provider_text

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Results of one file that are kept, at most.
MAX_RESULTS: Final = 10


@dataclass(frozen=True, slots=True)
class CheckedMark:
    """One mark that a provider has looked for in a file; that it was not found proves nothing.

    Texts are a stranger's, cleaned and cut when it is made.
    """

    #: Such as `c2pa` or `synthid`; see `data_handling.MARKS`.
    kind: str
    is_found: bool
    #: Whether a manifest holds, in the provider's word: `trusted`, `valid`, `invalid`.
    state: str = ""
    issuer: str = ""
    model: str = ""
    #: When the image was made, as the mark says.
    generated_at: str = ""

    def __post_init__(self) -> None:
        for name in ("kind", "state", "generated_at"):
            text = provider_text(getattr(self, name), max_chars=MAX_WORD_CHARS)
            object.__setattr__(self, name, text)
        for name in ("issuer", "model"):
            text = provider_text(getattr(self, name), max_chars=MAX_LINE_CHARS)
            object.__setattr__(self, name, text)
        object.__setattr__(self, "is_found", self.is_found is True)

    def as_dict(self) -> dict[str, Any]:
        """Return it for a JSON column."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Return what `as_dict` stored; unknown keys are ignored."""
        return cls(
            kind=stored.get("kind", ""),
            is_found=stored.get("is_found") is True,
            **{name: stored.get(name, "") for name in ("state", "issuer", "model", "generated_at")},
        )
