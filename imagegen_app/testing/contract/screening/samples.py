"""Say what a screener is tried with: its options, and texts and images whose verdicts are known."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

#: Stands in options for the address of the simulator.
BASE_URL = "{base_url}"


def coloured_image(colour: tuple[int, int, int]) -> bytes:
    """Return a small PNG of one colour, without any metadata."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(buffer, "PNG")
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class ScreenerSamples:
    """A screener, and what it has to decide."""

    #: Dotted path of its class.
    screener: str
    options: Mapping[str, Any] = field(default_factory=dict)
    #: The simulator's protocol that its service speaks; empty for a screener that makes no calls.
    protocol: str = ""
    passing_text: str = "a red mug on a wooden table"
    #: A text that it blocks, in a category without hard consequences.
    blocked_text: str = "simulate-violence in a mug"
    #: A text in a hard category; empty if it knows none.
    hard_text: str = ""
    #: A text that passes, and is blocked with `strict_options`; empty if it has no thresholds.
    borderline_text: str = ""
    #: Options that change the thresholds, to be merged with `options`.
    strict_options: Mapping[str, Any] = field(default_factory=dict)
    #: Options by which a site could try to open a hard category, each to be merged with `options`.
    opening_options: tuple[Mapping[str, Any], ...] = ()
    passing_image: bytes = field(default_factory=lambda: coloured_image((40, 160, 90)), repr=False)
    #: An image that it blocks; empty if it screens texts only.
    blocked_image: bytes = field(default=b"", repr=False)
    #: Whether its decisions name the version of the service's model, and scores.
    has_scores: bool = False
    #: Its option `seconds` in the checks about time.
    limit_seconds: float = 1.0
    #: How much later than that it may give up, on a busy machine.
    grace_seconds: float = 4.0
