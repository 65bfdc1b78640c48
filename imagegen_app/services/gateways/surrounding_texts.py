"""Read the texts around the place of an image, such as those of a CMS page, to suggest a prompt from.

Who knows the site's pages registers a source; nothing of a CMS is imported here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagegen_app.core.actors import Person

#: All texts of a place together, in characters.
MAX_CHARS: Final = 6_000
#: A place as an address names it: the name of its source, a colon and the source's own key.
MAX_PLACE_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class SurroundingTexts:
    """What is to be read around a place, and what people call that."""

    label: str
    #: The texts by their names.
    texts: Mapping[str, str] = field(default_factory=dict)


if TYPE_CHECKING:
    #: From its own key and who asks to the texts; None where there is none that they may see.
    TextSource = Callable[[str, Person], SurroundingTexts | None]

_sources: dict[str, TextSource] = {}


def register_source(name: str, source: TextSource) -> None:
    """Let a source of texts answer for the places that begin with its name and a colon."""
    _sources[name] = source


def texts_around(place: str, *, actor: Person) -> SurroundingTexts | None:
    """Return the texts around a place, cut to length; None if there are none that the actor may see."""
    name, _colon, key = place[:MAX_PLACE_CHARS].partition(":")
    source = _sources.get(name)
    found = None if source is None else source(key, actor)
    if found is None:
        return None
    texts: dict[str, str] = {}
    room = MAX_CHARS
    for label, text in found.texts.items():
        if room and text.strip():
            texts[label] = text.strip()[:room]
            room -= len(texts[label])
    return SurroundingTexts(found.label, texts) if texts else None
