"""Find a value in a JSON document by a path that a site has written."""

from __future__ import annotations

from typing import Any, Final

#: No list is longer; a longer number is no place in one.
_MAX_DIGITS: Final = 6


def value_at(document: object, path: str) -> Any:
    """Return the value at a path such as `result.images.0`; None where there is none."""
    for name in path.split("."):
        if isinstance(document, list) and name.isdecimal():
            document = dict(enumerate(document)).get(int(name[:_MAX_DIGITS]))
        else:
            document = document.get(name) if isinstance(document, dict) else None
    return document
