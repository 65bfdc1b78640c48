"""Define what a screener is and what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from imagegen_app.core.states import VerdictOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal


class ScreenerFailed(Exception):
    """A screener could not decide; the site's setting says what that means."""


@dataclass(frozen=True, slots=True)
class ScreenerDecision:
    """What a screener decided about one text or image."""

    outcome: VerdictOutcome
    categories: tuple[str, ...] = ()
    #: By category, 0 to 1 as text.
    scores: Mapping[str, str] = field(default_factory=dict)
    #: What the requester can do.
    remedy: str = ""
    #: What the call cost, where the screener knows; otherwise the price in the settings counts.
    cost: Decimal | None = None


PASSED = ScreenerDecision(outcome=VerdictOutcome.PASSED)


class Screener(Protocol):
    """Something that looks at what goes in or comes out."""

    def screen_text(self, text: str) -> ScreenerDecision:
        """Decide about a prompt.

        :raises ScreenerFailed: if it cannot.
        """
        ...

    def screen_image(self, data: bytes, *, media_type: str) -> ScreenerDecision:
        """Decide about an image.

        :raises ScreenerFailed: if it cannot.
        """
        ...
