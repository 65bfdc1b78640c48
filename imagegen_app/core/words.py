"""Mark text for people, so that the catalogues hold it; translating is a face's matter."""

from __future__ import annotations


def gettext_noop(text: str) -> str:
    """Return the text as it is; its name is what extracts it into the catalogues."""
    return text
