"""Define the interface of a screener and its decision."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from imagegen_app.core.hard_categories import HardCategory
from imagegen_app.core.provider_text import (
    MAX_ID_CHARS,
    MAX_LINE_CHARS,
    provider_facts,
    provider_names,
    provider_text,
)
from imagegen_app.core.states import VerdictOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal


class ScreenerFailed(Exception):
    """A screener could not decide; its setting `ON_ERROR` says whether the content is blocked.

    The message is a technical reason in our own words: it never holds what was screened, nor what
    a service answered.
    """

    def __init__(self, message: str = "", *, is_answered: bool = False) -> None:
        super().__init__(message)
        #: Whether a service did its work, and so bills the call, although its answer cannot be used.
        self.is_answered = is_answered


@dataclass(frozen=True, slots=True)
class ScreenerDecision:
    """What a screener decided about one text or image."""

    outcome: VerdictOutcome
    #: Names of what the screener objects to, such as `violence`.
    categories: tuple[str, ...] = ()
    #: Scores from 0 to 1 as text, by category.
    scores: Mapping[str, str] = field(default_factory=dict)
    #: What the requester can do about it.
    remedy: str = ""
    #: What the call cost, in the currency of the image models; None: the setting `PRICE` counts.
    cost: Decimal | None = None
    #: The version of the service's model that decided, if there is one.
    model: str = ""
    #: Makes the decision final: it blocks, whatever `outcome` says, and nobody can release it.
    hard_category: HardCategory | None = None

    def __post_init__(self) -> None:
        if self.hard_category is not None:
            object.__setattr__(self, "hard_category", HardCategory(self.hard_category))
            object.__setattr__(self, "outcome", VerdictOutcome.BLOCKED)
        object.__setattr__(self, "model", provider_text(self.model, max_chars=MAX_ID_CHARS))
        object.__setattr__(self, "categories", provider_names(self.categories))
        object.__setattr__(self, "scores", provider_facts(self.scores))
        object.__setattr__(self, "remedy", provider_text(self.remedy, max_chars=MAX_LINE_CHARS))


PASSED = ScreenerDecision(outcome=VerdictOutcome.PASSED)


class Screener(Protocol):
    """Decides whether prompts, input images and generated images are allowed."""

    def screen_text(self, text: str) -> ScreenerDecision:
        """Decide about a prompt.

        :raises ScreenerFailed: if no decision is possible.
        """
        ...

    def screen_image(self, data: bytes, *, media_type: str) -> ScreenerDecision:
        """Decide about an image, given the bytes of its file.

        :raises ScreenerFailed: if no decision is possible.
        """
        ...
