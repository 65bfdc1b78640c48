"""Choose colours from a prompt: curated palettes, and the colours that the words name."""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass, replace

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Palette:
    """Five colours that go together."""

    #: The wall or the upper sky.
    back: Colour
    #: The floor or the lower sky.
    ground: Colour
    #: The subject.
    main: Colour
    #: What stands beside it.
    accent: Colour
    #: Shadows and distant things.
    deep: Colour


def _hex(*codes: str) -> Palette:
    colours = [(int(c[0:2], 16), int(c[2:4], 16), int(c[4:6], 16)) for c in codes]
    return Palette(*colours)


_PALETTES = (
    _hex("f3e9dc", "e6d2bb", "c4694a", "e3a857", "5e3023"),
    _hex("dfeae6", "c3d9d1", "2f6f6a", "e9b872", "173f3f"),
    _hex("e9e4f0", "d3c9e3", "6b58a3", "f0a6a0", "2f2553"),
    _hex("fbe6df", "f3cdbf", "d9594c", "f2b95f", "6d2b3a"),
    _hex("dfeaf4", "c0d6e8", "2e6fa7", "f4b183", "16324f"),
    _hex("eef0e2", "d9dec0", "71803f", "d98e4a", "333d1c"),
    _hex("f6efe0", "ecdcb9", "d49a2a", "3d7f86", "5b3a12"),
    _hex("f4e4ea", "e8c8d5", "b5456f", "8fb8a8", "4c1a33"),
    _hex("e4e8ea", "cbd3d8", "45525e", "ef8354", "1f2933"),
    _hex("e2f1ee", "bfe0da", "1f9c8f", "f6c65b", "0d4a4c"),
    _hex("efe7df", "dccabc", "8a5a44", "7ca5a0", "3c2218"),
    _hex("e6ecf7", "c9d5ef", "4f63c4", "f7a072", "232c6b"),
)

_NAMED: dict[str, Colour] = {
    "amber": (224, 150, 40),
    "beige": (214, 190, 156),
    "black": (44, 45, 50),
    "blue": (46, 103, 178),
    "brown": (124, 80, 52),
    "copper": (184, 106, 66),
    "coral": (238, 118, 96),
    "cream": (238, 224, 196),
    "gold": (206, 160, 60),
    "gray": (132, 138, 146),
    "green": (70, 132, 84),
    "grey": (132, 138, 146),
    "leather": (146, 92, 58),
    "mint": (134, 200, 174),
    "navy": (34, 52, 96),
    "olive": (118, 124, 62),
    "oak": (190, 146, 98),
    "orange": (232, 126, 48),
    "pink": (228, 130, 160),
    "purple": (118, 82, 168),
    "red": (198, 52, 52),
    "silver": (176, 184, 192),
    "teal": (28, 128, 130),
    "turquoise": (48, 178, 178),
    "violet": (128, 92, 188),
    "walnut": (104, 70, 48),
    "white": (240, 240, 236),
    "yellow": (240, 196, 64),
}


def words(text: str) -> list[str]:
    """Return the lower-case words of a text in their order."""
    return re.findall(r"[^\W\d_]+", text.lower())


def seeded_random(*parts: object) -> random.Random:
    """Return a random generator that is seeded with the parts."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return random.Random(int.from_bytes(digest, "big"))  # noqa: S311  (images, not secrets)


def choose_palette(prompt: str, *, rng: random.Random, negative_prompt: str = "") -> Palette:
    """Choose a palette; the first colour named becomes the subject's, the second the accent."""
    palette = rng.choice(_PALETTES)
    unwanted = set(words(negative_prompt))
    named = list(
        dict.fromkeys(_NAMED[w] for w in words(prompt) if w in _NAMED and w not in unwanted)
    )
    if named:
        palette = replace(palette, main=named[0])
    if len(named) > 1:
        palette = replace(palette, accent=named[1])
    return palette


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour that lies the given share of the way from the first to the second."""
    r, g, b = (round(a + (z - a) * share) for a, z in zip(first, second, strict=True))
    return (r, g, b)


def lighter(colour: Colour, share: float) -> Colour:
    """Return the colour moved towards white."""
    return mix(colour, WHITE, share)


def darker(colour: Colour, share: float) -> Colour:
    """Return the colour moved towards black."""
    return mix(colour, BLACK, share)
