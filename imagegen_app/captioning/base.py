"""Define what a captioner is: it suggests words for an image, and a person decides about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from decimal import Decimal


class CaptionerFailed(Exception):
    """A captioner has no suggestion; the image is made nevertheless."""


@dataclass(frozen=True, slots=True)
class Caption:
    """What a captioner suggests for one image."""

    #: A stranger's words: shown as plain text, cut to length, never used without a person.
    text: str
    #: What the call cost, where the captioner knows; otherwise the price in the settings counts.
    cost: Decimal | None = None


class Captioner(Protocol):
    """Something that looks at an image and says what it shows."""

    def describe(self, data: bytes, *, media_type: str, language: str, purpose: str) -> Caption:
        """Suggest an alternative text in that language, such as `de`.

        `purpose` is what the image was asked for: its prompt, which may be empty.

        :raises CaptionerFailed: if there is none.
        """
        ...
