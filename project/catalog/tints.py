"""Match a product's colour to one of the site's tints, for drawings that stand in for an image."""

from __future__ import annotations

#: Words that buyers use for colours, and the tint each is shown in; `site.css` has the tints.
TINTS = {
    "amber": "honey",
    "blue": "mist",
    "brick": "clay",
    "brown": "honey",
    "charcoal": "stone",
    "clay": "clay",
    "cognac": "clay",
    "green": "moss",
    "grey": "stone",
    "honey": "honey",
    "moss": "moss",
    "natural": "honey",
    "olive": "sage",
    "rust": "clay",
    "sage": "sage",
    "terracotta": "clay",
}
PLAIN = "sand"


def tint_of(colour: str) -> str:
    """Return the tint for a colour in words; the last word that is known decides."""
    known = [TINTS[word] for word in colour.lower().split() if word in TINTS]
    return known[-1] if known else PLAIN
