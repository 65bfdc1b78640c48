"""Define the interface of a captioner, which suggests an alternative text for an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from decimal import Decimal


class CaptionerFailed(Exception):
    """A captioner has no suggestion; the image is stored without one.

    The message goes to the log: it must hold nothing of the image, its prompt or the answer.
    """

    def __init__(self, message: str = "", *, cost: Decimal | None = None) -> None:
        super().__init__(message)
        #: What the call cost all the same, such as where the model refused; None if nothing.
        self.cost = cost


@dataclass(frozen=True, slots=True)
class Caption:
    """What a captioner suggests for one image."""

    #: Untrusted: it is shown as plain text, cut to length, and used only if a person accepts it.
    text: str
    #: What the call cost, in the currency of the image models; None: the setting `PRICE` counts.
    cost: Decimal | None = None
    #: The version of the model that described it, for the log; empty if it is unknown.
    model: str = ""


class Captioner(Protocol):
    """Suggests an alternative text for a new image; a person accepts, edits or rejects it."""

    def describe(self, data: bytes, *, media_type: str, language: str, purpose: str) -> Caption:
        """Describe what an image shows.

        `data` holds the bytes of a small JPEG without metadata, `language` is a code such as `de`,
        and `purpose` the image's prompt, which may be empty.

        :raises CaptionerFailed: if no suggestion is possible.
        """
        ...
