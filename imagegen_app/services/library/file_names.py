"""Name the copies of images after what they show, for people and search engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.text import slugify

if TYPE_CHECKING:
    from imagegen_app.models import Asset

_MAX_CHARS = 60
#: Letters that have no decomposition into ASCII.
_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"})


def file_name(asset: Asset, *, label: str = "") -> str:
    """Return a file name such as `bud-vase-on-a-light-table-4f9c.webp`.

    It is made of the alternative text or the title, else of `label`: what is published anyway, and
    never of the prompt. The end tells images of the same words apart.
    """
    texts = (asset.alt_text, asset.title, label)
    words = next((slug for slug in map(_slug, texts) if slug), "image")
    return f"{words}-{asset.sha256[:4]}.{asset.storage_key.rpartition('.')[2]}"


def _slug(text: str) -> str:
    slug = slugify(text.translate(_LETTERS))
    if len(slug) <= _MAX_CHARS:
        return slug
    # Between words, unless the first one alone is too long.
    head = slug[: _MAX_CHARS + 1]
    return (head.rpartition("-")[0] or head[:_MAX_CHARS]).strip("-")
