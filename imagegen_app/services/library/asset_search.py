"""Find an asset by the hash of any of its files, as a file name or an address holds it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q

from imagegen_app.models import FormerFile, Rendition

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from imagegen_app.models import Asset

#: The last part of a path or address: a hash or its beginning, then what a storage added to it.
_FILE_NAME = re.compile(r"(?:.*/)?([0-9a-f]{16,64})(?:[._?#].*)?", re.DOTALL | re.IGNORECASE)
_KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HASH_CHARS = 64
_UUID_CHARS = 32


def by_file_hash(assets: QuerySet[Asset], text: str) -> QuerySet[Asset] | None:
    """Return the assets with a file of this hash: the master, the original or a rendition.

    Also those whose file had it before an erasure rewrote it.

    `text` may be the hash, its first 16 characters or more, or the name or URL of a file that is
    named by it, as public files and copies in content are. None if it is none of these.
    """
    match = _FILE_NAME.fullmatch(text.strip())
    if match is None:
        return _by_key(assets, text.strip())
    digest = match[1].lower()
    exact = "" if len(digest) == _HASH_CHARS else "__startswith"
    renditions = Rendition.objects.filter(**{f"sha256{exact}": digest}).values("asset")
    former = FormerFile.objects.filter(**{f"sha256{exact}": digest}).values("asset")
    found = (
        Q(**{f"sha256{exact}": digest})
        | Q(**{f"original_sha256{exact}": digest})
        | Q(pk__in=renditions)
        | Q(pk__in=former)
    )
    if len(digest) == _UUID_CHARS:
        found |= Q(pk=UUID(digest))
    return assets.filter(found)


def _by_key(assets: QuerySet[Asset], text: str) -> QuerySet[Asset] | None:
    """Return the asset of an ID with its hyphens; None if the text is none."""
    if _KEY.fullmatch(text) is None:
        return None
    return assets.filter(pk=UUID(text))
