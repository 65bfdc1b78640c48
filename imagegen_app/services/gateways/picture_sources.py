"""Find images of the site that a request can start from, such as those of a media library.

Who knows the site's media library registers a source; nothing of one is imported here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from django.db.models import Model

    from imagegen_app.core.actors import Person

#: What names an image: the name of its source, a colon and the source's own key.
MAX_REFERENCE_CHARS: Final = 40
#: What is searched for, in characters.
MAX_SEARCH_CHARS: Final = 200
#: Divides by 2, 3, 4 and 6, as the rows of the page do.
PAGE_SIZE: Final = 24


@dataclass(frozen=True, slots=True)
class SitePicture:
    """An image of the site that a person may see: an object, and the field that holds its file."""

    source: str
    key: str
    #: What people call it.
    name: str
    width: int
    height: int
    instance: Model = field(repr=False)
    file_field: str = "file"
    alt_text: str = ""

    @property
    def reference(self) -> str:
        """What names it in a form and in an address."""
        return f"{self.source}:{self.key}"


@dataclass(frozen=True, slots=True)
class PicturePage:
    """Some images of a source, newest first."""

    pictures: list[SitePicture]
    #: Where the older ones begin; empty if there are none.
    older: str


class PictureSource(Protocol):
    """What a media library answers; each method finds only what the person may see."""

    @property
    def label(self) -> str:
        """What people call the media library."""

    def is_open_to(self, actor: Person) -> bool:
        """Return whether the person may look into the media library at all."""

    def page(self, actor: Person, *, search: str, after: str) -> PicturePage:
        """Return at most `PAGE_SIZE` images whose name has the text, older than the image `after`."""

    def find(self, actor: Person, keys: Collection[str]) -> Mapping[str, SitePicture]:
        """Return images by their keys; any text may be asked for."""

    def thumbnail(self, picture: SitePicture) -> tuple[bytes, str] | None:
        """Return a small copy and its media type; None if there cannot be one."""


_sources: dict[str, PictureSource] = {}


def register_source(name: str, source: PictureSource) -> None:
    """Offer the images of a source; its name, of small letters, begins what names each of them."""
    _sources[name] = source


def open_sources(actor: Person) -> dict[str, PictureSource]:
    """Return the sources that the person may look into, by their names."""
    return {name: source for name, source in _sources.items() if source.is_open_to(actor)}


def find_pictures(actor: Person, references: Collection[str]) -> dict[str, SitePicture]:
    """Return those of the named images that the person may see, with one look-up for each source."""
    wanted: dict[str, set[str]] = {}
    for reference in references:
        name, colon, key = reference.partition(":")
        if colon and key and len(reference) <= MAX_REFERENCE_CHARS:
            wanted.setdefault(name, set()).add(key)
    found = {}
    for name, source in open_sources(actor).items():
        if name in wanted:
            pictures = source.find(actor, wanted[name]).values()
            found.update({picture.reference: picture for picture in pictures})
    return found
