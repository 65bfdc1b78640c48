"""Define the interface of a captioner, which suggests an alternative text for an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from decimal import Decimal


class CaptionerFailed(Exception):
    """A captioner has no suggestion; the image is stored without one."""


@dataclass(frozen=True, slots=True)
class Caption:
    """What a captioner suggests for one image."""

    #: Untrusted: it is shown as plain text, cut to length, and used only if a person accepts it.
    text: str
    #: What the call cost, in the currency of the image models; None: the setting `PRICE` counts.
    cost: Decimal | None = None


class Captioner(Protocol):
    """Suggests an alternative text for a new image; a person accepts, edits or rejects it."""

    def describe(self, data: bytes, *, media_type: str, language: str, purpose: str) -> Caption:
        """Describe what an image shows.

        `data` holds the bytes of the image file, `language` is a code such as `de`, and `purpose`
        the image's prompt, which may be empty.

        :raises CaptionerFailed: if no suggestion is possible.
        """
        ...
