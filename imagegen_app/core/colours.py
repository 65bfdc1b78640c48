"""Name the colours by which images are found."""

from __future__ import annotations

from enum import StrEnum


class Colour(StrEnum):
    """What most of an image looks like: one of twelve hues, or none."""

    RED = "red"
    ORANGE = "orange"
    YELLOW = "yellow"
    LIME = "lime"
    GREEN = "green"
    SPRING = "spring"
    CYAN = "cyan"
    AZURE = "azure"
    BLUE = "blue"
    VIOLET = "violet"
    MAGENTA = "magenta"
    ROSE = "rose"
    BLACK = "black"
    WHITE = "white"
    GREY = "grey"


#: The hues in the order of the colour circle, each 30 degrees wide around its own.
HUES: tuple[Colour, ...] = tuple(Colour)[:12]
